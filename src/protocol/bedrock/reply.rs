//! Whole answers.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::wire::{
    AdditionalFields, Members, Metrics, TokenUsage, additional_fields, read_stop, read_usage,
    redacted_from_field, redacted_to_field, stop_reason,
};
use crate::protocol::dialect::ClientView;
use crate::protocol::neutral::{Choice, Finish, OpaqueState, Origin, Output, Reply};
use crate::protocol::{Malformed, read_object};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    output: Option<AnswerOutput<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    additional_model_response_fields: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnswerOutput<'a> {
    #[serde(borrow, default)]
    message: Option<AnswerMessage<'a>>,
}

#[derive(Deserialize)]
struct AnswerMessage<'a> {
    #[serde(borrow, default)]
    content: Vec<Members<'a>>,
}

#[derive(Deserialize)]
struct ToolUse<'a> {
    #[serde(rename = "toolUseId", default)]
    id: String,
    name: String,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasoningContent {
    #[serde(default)]
    reasoning_text: Option<ReasoningText>,
    #[serde(default)]
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ReasoningText {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Cited {
    #[serde(default)]
    content: Vec<CitedText>,
}

#[derive(Deserialize)]
struct CitedText {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
struct ServedTier {
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

pub(super) fn read(body: &[u8]) -> Result<Reply, Malformed> {
    let answer: Answer<'_> = read_object(body)?;
    let content = answer.output.and_then(|output| output.message).ok_or(Malformed)?.content;
    let mut output = Vec::with_capacity(content.len());
    for block in &content {
        for (kind, value) in block {
            output.extend(read_block(kind, value)?);
        }
    }
    let calls = output.iter().any(|piece| matches!(piece, Output::ToolCall { .. }));
    let additional = answer.additional_model_response_fields;
    let finish = answer.stop_reason.map(|reason| read_stop(&reason, additional, calls));
    let finish = finish.transpose().map_err(|_| Malformed)?;
    let tier = answer.service_tier.and_then(|raw| {
        let tier: ServedTier = serde_json::from_str(raw.get()).ok()?;
        tier.kind
    });
    Ok(Reply {
        choices: vec![Choice { index: 0, output, finish }],
        usage: answer.usage.and_then(read_usage).unwrap_or_default(),
        service_tier: tier,
        ..Reply::default()
    })
}

fn read_block(kind: &str, value: &RawValue) -> Result<Option<Output>, Malformed> {
    Ok(match kind {
        "text" => {
            Some(Output::Text(parse(value)?)).filter(|text| *text != Output::Text(String::new()))
        }
        "toolUse" => {
            let call: ToolUse<'_> = parse(value)?;
            if call.name.is_empty() {
                return Err(Malformed);
            }
            let arguments = call.input.map_or_else(String::new, |input| input.get().to_owned());
            Some(Output::ToolCall { id: call.id, name: call.name, arguments, state: None })
        }
        "reasoningContent" => {
            let content: ReasoningContent = parse(value)?;
            let redacted = content.redacted_content.as_deref().map(redacted_from_field);
            let (text, signature) = match content.reasoning_text {
                Some(read) => (read.text.unwrap_or_default(), read.signature),
                None => (String::new(), None),
            };
            let signed = signature
                .filter(|signature| !signature.is_empty())
                .map(|it| OpaqueState::from_field(&it, Origin::Anthropic, false));
            let state = redacted.or(signed);
            (!text.is_empty() || state.is_some()).then_some(Output::Thinking { text, state })
        }
        "citationsContent" => {
            let cited: Cited = parse(value)?;
            let text: String = cited.content.into_iter().filter_map(|part| part.text).collect();
            (!text.is_empty()).then_some(Output::Text(text))
        }
        // Pictures and what comes later have no place in a chat's answer.
        _ => None,
    })
}

fn parse<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, Malformed> {
    serde_json::from_str(value.get()).map_err(|_| Malformed)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenAnswer<'a> {
    output: WrittenOutput<'a>,
    stop_reason: &'static str,
    usage: TokenUsage,
    metrics: Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_fields: Option<AdditionalFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<WrittenTier<'a>>,
}

#[derive(Serialize)]
struct WrittenTier<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct WrittenOutput<'a> {
    message: WrittenMessage<'a>,
}

#[derive(Serialize)]
struct WrittenMessage<'a> {
    role: &'static str,
    content: Vec<WrittenBlock<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum WrittenBlock<'a> {
    Text(&'a str),
    #[serde(rename_all = "camelCase")]
    ToolUse {
        tool_use_id: Cow<'a, str>,
        name: &'a str,
        input: Cow<'a, RawValue>,
    },
    ReasoningContent(WrittenReasoning<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum WrittenReasoning<'a> {
    ReasoningText {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    RedactedContent(String),
}

pub(super) fn write(reply: &Reply, client: &ClientView<'_>) -> Bytes {
    // The API has one answer; requests for more were never sent.
    let choice = reply.choices.first();
    let output = choice.map_or(&[][..], |choice| &choice.output);
    let mut content = Vec::with_capacity(output.len());
    for (at, piece) in output.iter().enumerate() {
        // A call has no place for its state; the request's reader looks for it here.
        if let Output::ToolCall { state: Some(state), .. } = piece {
            content.push(WrittenBlock::ReasoningContent(thought("", Some(state))));
        }
        content.extend(block(piece, at, client));
    }
    let calls = output.iter().any(|piece| matches!(piece, Output::ToolCall { .. }));
    let silent = if calls { Finish::ToolCalls } else { Finish::Stop };
    let finish = choice.and_then(|choice| choice.finish.as_ref()).unwrap_or(&silent);
    let answer = WrittenAnswer {
        output: WrittenOutput { message: WrittenMessage { role: "assistant", content } },
        stop_reason: stop_reason(finish),
        usage: reply.usage.into(),
        metrics: Metrics::default(),
        additional_model_response_fields: additional_fields(finish),
        service_tier: reply.service_tier.as_deref().map(|kind| WrittenTier { kind }),
    };
    serde_json::to_vec(&answer).expect("these values have string keys only").into()
}

fn block<'a>(piece: &'a Output, at: usize, client: &ClientView<'_>) -> Option<WrittenBlock<'a>> {
    Some(match piece {
        Output::Text(text) | Output::Refusal(text) if text.is_empty() => return None,
        Output::Text(text) | Output::Refusal(text) => WrittenBlock::Text(text),
        Output::Thinking { text, state } => {
            WrittenBlock::ReasoningContent(thought(text, state.as_ref()))
        }
        Output::ToolCall { id, name, arguments, .. } => WrittenBlock::ToolUse {
            tool_use_id: given_id(id, client.request_id, at),
            name,
            input: input(arguments),
        },
    })
}

fn thought<'a>(text: &'a str, state: Option<&OpaqueState>) -> WrittenReasoning<'a> {
    match state {
        Some(state) if state.redacted => {
            WrittenReasoning::RedactedContent(redacted_to_field(state))
        }
        state => WrittenReasoning::ReasoningText {
            text,
            signature: state.map(|state| state.to_field(Origin::Anthropic)),
        },
    }
}

/// Arguments as input, which may be any JSON. What is none was cut or never written.
fn input(arguments: &str) -> Cow<'_, RawValue> {
    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(json) if json.get() != "null" => Cow::Borrowed(json),
        _ => Cow::Owned(
            to_raw_value(&Map::<String, Value>::new()).expect("an empty object can be written"),
        ),
    }
}

/// The id of a call, or one of the gateway's own making where its provider gave none.
pub(super) fn given_id<'a>(id: &'a str, request_id: &str, at: usize) -> Cow<'a, str> {
    if id.is_empty() { Cow::Owned(format!("tooluse_{request_id}_{at}")) } else { Cow::Borrowed(id) }
}

#[cfg(test)]
mod tests;
