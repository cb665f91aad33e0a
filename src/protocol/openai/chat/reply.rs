//! A whole chat completion, read and written.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{
    Ending, Said, UsageOut, finish_word, minted_call_id, read_finish, read_usage, text,
};
use super::reasoning::{ExtraContent, ThinkingBlock, call_extra, call_state, thinking};
use crate::protocol::dialect::ClientView;
use crate::protocol::neutral::{Choice, Finish, Output, Reply};
use crate::protocol::{Malformed, read_object};

#[derive(Deserialize)]
struct ReplyIn<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<Vec<ChoiceIn<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    x_groq: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChoiceIn<'a> {
    index: Option<i64>,
    #[serde(borrow)]
    message: Option<Said<'a>>,
    /// The answer of a legacy completion.
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
}

/// Reads a whole answer; that of a legacy completion too.
pub(in crate::protocol::openai) fn read(body: &[u8]) -> Result<Reply, Malformed> {
    let reply: ReplyIn<'_> = read_object(body)?;
    let choices = reply.choices.filter(|choices| !choices.is_empty()).ok_or(Malformed)?;
    let mut choices = choices
        .into_iter()
        .enumerate()
        .map(|(at, choice)| read_choice(at, choice))
        .collect::<Result<Vec<_>, _>>()?;
    choices.sort_by_key(|choice| choice.index);
    Ok(Reply {
        id: text(reply.id),
        model: text(reply.model),
        choices,
        usage: read_usage(reply.usage, reply.x_groq).unwrap_or_default(),
        service_tier: Some(text(reply.service_tier)).filter(|tier| !tier.is_empty()),
    })
}

fn read_choice(at: usize, choice: ChoiceIn<'_>) -> Result<Choice, Malformed> {
    let said = choice.message.unwrap_or_default();
    let mut output: Vec<Output> = thinking(&said.reasoning(), said.thinking_blocks())
        .into_iter()
        .map(|(text, state)| Output::Thinking { text, state })
        .collect();
    output.extend(said.content());
    let legacy = text(choice.text);
    output.extend((!legacy.is_empty()).then_some(Output::Text(legacy)));
    let refusal = said.refusal();
    let refused = !refusal.is_empty();
    output.extend(refused.then_some(Output::Refusal(refusal)));
    let calls = said.calls();
    let called = !calls.is_empty();
    for call in calls {
        if call.name.is_empty() {
            return Err(Malformed);
        }
        output.push(Output::ToolCall {
            id: call.id,
            name: call.name,
            arguments: call.arguments.into_owned(),
            state: call_state(call.extra),
        });
    }
    let finish = match read_finish(choice.finish_reason, choice.stop_reason, called, refused) {
        Ending::Finish(finish) => Some(finish),
        Ending::None if called => Some(Finish::ToolCalls),
        Ending::None => None,
        Ending::Failure => return Err(Malformed),
    };
    let index = choice.index.and_then(|index| u32::try_from(index).ok());
    let index = index.or(u32::try_from(at).ok()).unwrap_or(u32::MAX);
    Ok(Choice { index, output, finish })
}

#[derive(Serialize)]
struct ReplyOut<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChoiceOut<'a>>,
    usage: UsageOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: u32,
    message: MessageOut<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize, Default)]
struct MessageOut<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<ThinkingBlock>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallOut<'a>>,
}

#[derive(Serialize)]
struct CallOut<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent>,
}

#[derive(Serialize)]
struct FunctionOut<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Writes a whole answer.
pub(super) fn write(reply: &Reply, client: &ClientView<'_>) -> Bytes {
    let out = ReplyOut {
        id: answer_id(&reply.id, client),
        object: "chat.completion",
        created: client.created,
        model: client.model,
        choices: reply.choices.iter().map(|choice| write_choice(choice, client)).collect(),
        usage: UsageOut::from(&reply.usage),
        service_tier: reply.service_tier.as_deref(),
    };
    Bytes::from(serde_json::to_vec(&out).expect("plain values are JSON"))
}

/// The provider's id, or one of the gateway's own.
pub(super) fn answer_id(given: &str, client: &ClientView<'_>) -> String {
    if given.is_empty() { format!("chatcmpl-{}", client.request_id) } else { given.to_owned() }
}

fn write_choice<'a>(choice: &'a Choice, client: &ClientView<'_>) -> ChoiceOut<'a> {
    let mut message = MessageOut { role: "assistant", ..MessageOut::default() };
    let mut stated = false;
    for piece in &choice.output {
        match piece {
            Output::Text(text) => message.content.get_or_insert_default().push_str(text),
            Output::Refusal(words) => message.refusal.get_or_insert_default().push_str(words),
            Output::Thinking { text, state } => {
                if !text.is_empty() {
                    message.reasoning_content.get_or_insert_default().push_str(text);
                }
                stated |= state.is_some();
                let block = match state {
                    Some(state) => ThinkingBlock::of(state),
                    None => ThinkingBlock { kind: "thinking".to_owned(), ..Default::default() },
                };
                let redacted = state.as_ref().is_some_and(|state| state.redacted);
                let thinking = (!redacted).then(|| text.clone());
                message.thinking_blocks.push(ThinkingBlock { thinking, ..block });
            }
            Output::ToolCall { id, name, arguments, state } => {
                let number = u32::try_from(message.tool_calls.len()).unwrap_or(u32::MAX);
                let minted = || minted_call_id(client.request_id, choice.index, number);
                let arguments = if arguments.is_empty() { "{}" } else { arguments };
                message.tool_calls.push(CallOut {
                    id: if id.is_empty() { minted() } else { id.clone() },
                    kind: "function",
                    function: FunctionOut { name, arguments },
                    extra_content: call_extra(state.as_ref()),
                });
            }
        }
    }
    if !stated {
        // Without a state the blocks would only repeat `reasoning_content`.
        message.thinking_blocks.clear();
    }
    let called = !message.tool_calls.is_empty();
    if message.content.is_none() && message.refusal.is_none() && !called {
        message.content = Some(String::new());
    }
    let finish_reason = match &choice.finish {
        Some(finish) => finish_word(finish),
        None if called => "tool_calls",
        None => "stop",
    };
    ChoiceOut { index: choice.index, message, logprobs: None, finish_reason }
}

#[cfg(test)]
mod tests;
