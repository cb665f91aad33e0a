//! A legacy completion as a conversation, and a conversation that is a mere prompt as one.

use serde_json::value::RawValue;

use super::super::chat::{read_sampling, read_stop, write_completion};
use super::super::member::{Members, beyond, member};
use crate::protocol::dialect::{TargetView, Unreadable, Written};
use crate::protocol::neutral::{CannotCross, Crossing, Part, Request, Role, Turn};

pub(super) fn read(body: &[u8]) -> Result<Request, Unreadable> {
    let mut members = Members::read(body)?;
    let mut request = Request::default();
    let Some(prompt) = members.raw("prompt") else {
        return Err(Unreadable::new("prompt", "is missing"));
    };
    let text = read_prompt(prompt)?;
    let parts = vec![Part::Text { text, cache: None }];
    request.turns.push(Turn { role: Role::User, parts });
    request.max_output_tokens = members.take("max_tokens")?;
    if let Some(stop) = members.raw("stop") {
        request.stop = read_stop(stop)?;
    }
    read_sampling(&mut members, &mut request)?;
    request.choices = members.take("n")?;
    request.user = members.take("user")?;
    request.stream = members.take("stream")?.unwrap_or(false);
    read_special(&mut members, &mut request)?;
    for elsewhere in ["model", "stream_options"] {
        members.raw(elsewhere);
    }
    request.beyond.extend(members.rest().map(|(name, raw)| beyond(name, false, Some(raw))));
    Ok(request)
}

fn read_prompt(raw: &RawValue) -> Result<String, Unreadable> {
    let wrong = |message: &'static str| Err(Unreadable::new("prompt", message));
    match raw.get().as_bytes().first() {
        Some(b'"') => member(raw, "prompt"),
        Some(b'[') => {
            let prompts: Vec<&RawValue> = member(raw, "prompt")?;
            match &*prompts {
                [one] if one.get().starts_with('"') => member(one, "prompt[0]"),
                [first, _, ..] if first.get().starts_with('"') => {
                    wrong("should be one text: the target answers one at a time")
                }
                [] => wrong("should not be empty"),
                _ => wrong("should be a text: tokens mean nothing to the target's model"),
            }
        }
        _ => wrong("should be a text"),
    }
}

/// What only a model that continues texts can do, where it is asked for at all.
fn read_special(members: &mut Members<'_>, request: &mut Request) -> Result<(), Unreadable> {
    for name in ["suffix", "logprobs", "echo", "best_of"] {
        let Some(raw) = members.raw(name) else { continue };
        let asked = match name {
            "suffix" => !member::<String>(raw, name)?.is_empty(),
            "echo" => member(raw, name)?,
            "best_of" => member::<u64>(raw, name)? > 1,
            // Zero asks for those of the tokens themselves.
            _ => member::<u64>(raw, name).map(|_| true)?,
        };
        if asked {
            request.beyond.push(beyond(name, true, Some(raw)));
        }
    }
    // Numbers of tokens, which other models number otherwise.
    request.beyond.extend(members.beyond("logit_bias", false));
    Ok(())
}

pub(super) fn write(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Written, CannotCross> {
    let [Turn { role: Role::User, parts }] = &*request.turns else {
        return Err(needs_chat("messages"));
    };
    if !request.system.is_empty() {
        return Err(needs_chat("system"));
    }
    if !request.tools.is_empty() {
        return Err(needs_chat("tools"));
    }
    if request.format.is_some() {
        return Err(needs_chat("response_format"));
    }
    if request.reasoning.is_some() {
        crossing.dropped("reasoning_effort")?;
    }
    let mut prompt = String::new();
    for part in parts {
        let Part::Text { text, .. } = part else { return Err(needs_chat("messages")) };
        prompt.push_str(text);
    }
    write_completion(request, &prompt, target, crossing)
}

fn needs_chat(param: &str) -> CannotCross {
    let message = "cannot be sent to a target that has only legacy completions, which take a \
                   single text: use a target that has chat completions";
    CannotCross::new(param, message)
}
