//! The conversation that a client sends.
//!
//! Where calls have no ids, results belong to them by name and order: both get an id here, the same
//! one each time the conversation is sent, so that prompt caches keep working.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::parts::{read_media, read_plain};
use crate::protocol::dialect::Unreadable;
use crate::protocol::gemini::members::Members;
use crate::protocol::gemini::{signature, wire};
use crate::protocol::neutral::{Part, Request, ResultPart, Role, Turn};

/// A call that waits for its result.
struct Pending {
    id: String,
    name: String,
    /// The client gave no id.
    numbered: bool,
    answered: bool,
}

#[derive(Default)]
struct Calls {
    /// Those of the model's last turn.
    pending: Vec<Pending>,
    count: usize,
}

/// Reads `contents`.
pub(super) fn read(contents: Vec<Members<'_>>, request: &mut Request) -> Result<(), Unreadable> {
    let mut calls = Calls::default();
    let mut before = Role::User;
    for mut content in contents {
        let role = match content.text("role")?.as_deref() {
            // `function` is how results were sent once.
            None | Some("" | "user" | "function") => Role::User,
            Some("model") => Role::Assistant,
            Some("system") => Role::System,
            Some(_) => {
                return Err(Unreadable::new(content.at("role"), "must be `user` or `model`"));
            }
        };
        if role == Role::Assistant && before != Role::Assistant {
            calls.pending.clear();
        }
        before = role;
        let mut parts = Vec::new();
        for part in content.objects("parts")? {
            read_part(part, &mut parts, &mut calls, request)?;
        }
        request.turns.push(Turn { role, parts });
    }
    Ok(())
}

fn read_part(
    mut part: Members<'_>,
    parts: &mut Vec<Part>,
    calls: &mut Calls,
    request: &mut Request,
) -> Result<(), Unreadable> {
    if let Some(call) = part.object("functionCall")? {
        let state = part.text("thoughtSignature")?.filter(|field| !field.is_empty());
        // The mark that skips the check says just that there is no signature.
        let state = state.filter(|field| field != signature::SKIP);
        parts.push(calls.begin(call, state.as_deref())?);
        return Ok(());
    }
    if let Some(response) = part.object("functionResponse")? {
        parts.push(calls.answer(response)?);
        return Ok(());
    }
    read_plain(part, parts, &mut request.beyond)
}

impl Calls {
    fn begin(&mut self, mut call: Members<'_>, state: Option<&str>) -> Result<Part, Unreadable> {
        let name = named(&mut call)?;
        let arguments = match call.take::<&RawValue>("args", "an object")? {
            Some(raw) if wire::object(raw.get()).is_none() => {
                return Err(Unreadable::new(call.at("args"), "must be an object"));
            }
            raw => raw.map_or_else(String::new, |raw| wire::compact(raw.get())),
        };
        let given = call.text("id")?.filter(|id| !id.is_empty());
        let numbered = given.is_none();
        let id = given.unwrap_or_else(|| format!("call_{}", self.count));
        self.count += 1;
        self.pending.push(Pending {
            id: id.clone(),
            name: name.clone(),
            numbered,
            answered: false,
        });
        let state = state.map(signature::read);
        Ok(Part::ToolCall { id, name, arguments, state, cache: None })
    }

    fn answer(&mut self, mut response: Members<'_>) -> Result<Part, Unreadable> {
        let given = response.text("id")?.filter(|id| !id.is_empty());
        let name = named(&mut response)?;
        let waiting = self.pending.iter_mut().filter(|call| !call.answered);
        let mut matching = waiting.filter(|call| match &given {
            Some(id) => call.id == *id || call.numbered && call.name == name,
            None => call.name == name,
        });
        let id = match (matching.next(), given) {
            (Some(call), _) => {
                call.answered = true;
                call.id.clone()
            }
            (None, Some(id)) => id,
            (None, None) => {
                let message = "answers no call of the model's content before it: \
                    send as many responses as there were calls, with the same names";
                return Err(Unreadable::new(response.path(), message));
            }
        };
        let (mut content, is_error) = result(response.raw("response"));
        for mut part in response.objects("parts")? {
            match read_media(&mut part)? {
                Some(Part::Image(media)) => content.push(ResultPart::Image(media)),
                Some(Part::Document(media)) => content.push(ResultPart::Document(media)),
                _ => {
                    let message = "must hold a picture or document as `inlineData` or `fileData`";
                    return Err(Unreadable::new(part.path(), message));
                }
            }
        }
        Ok(Part::ToolResult { id, content, is_error, cache: None })
    }
}

fn named(members: &mut Members<'_>) -> Result<String, Unreadable> {
    let name = members.text("name")?.filter(|name| !name.is_empty());
    name.ok_or_else(|| Unreadable::new(members.at("name"), "must name the function"))
}

/// What a function returned. Google's convention is one member, `output` or `error`; its SDKs say
/// `result` too.
fn result(response: Option<&RawValue>) -> (Vec<ResultPart>, bool) {
    let Some(response) = response else { return (Vec::new(), false) };
    let members = serde_json::from_str::<BTreeMap<String, &RawValue>>(response.get());
    if let Ok(members) = members
        && let [(name, raw)] = members.iter().collect::<Vec<_>>().as_slice()
        && matches!(name.as_str(), "output" | "result" | "error")
        && let Ok(text) = serde_json::from_str::<String>(raw.get())
    {
        let content = if text.is_empty() { Vec::new() } else { vec![ResultPart::Text(text)] };
        return (content, name.as_str() == "error");
    }
    (vec![ResultPart::Text(wire::compact(response.get()))], false)
}
