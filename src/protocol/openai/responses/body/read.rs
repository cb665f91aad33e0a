//! A provider's whole response.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::super::sealed::{Sealed, unseal};
use crate::protocol::neutral::{Choice, Finish, OpaqueState, Output, Reply};
use crate::protocol::openai::is_filled;
use crate::protocol::usage;
use crate::protocol::{Malformed, read_object};

/// The members of a response that matter here.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    incomplete_details: Option<IncompleteDetails<'a>>,
    #[serde(borrow)]
    output: Option<Vec<OutputItem<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<Cow<'a, str>>,
}

/// Why a response is incomplete.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct IncompleteDetails<'a> {
    #[serde(borrow)]
    pub reason: Option<Cow<'a, str>>,
}

/// An item of an output: the members of all its kinds.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct OutputItem<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    call_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<Vec<OutputPart<'a>>>,
    #[serde(borrow)]
    summary: Option<Vec<OutputPart<'a>>>,
    #[serde(borrow)]
    encrypted_content: Option<Cow<'a, str>>,
}

/// A part of an item.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(in super::super) struct OutputPart<'a> {
    #[serde(borrow)]
    pub text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub refusal: Option<Cow<'a, str>>,
}

impl OutputItem<'_> {
    /// The item's kind; a message where it does not say.
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("message")
    }

    /// The id of a call: some servers only give the item's.
    pub fn call_id(&self) -> String {
        let id = self.call_id.as_deref().filter(|id| !id.is_empty()).or(self.id.as_deref());
        id.unwrap_or_default().to_owned()
    }

    /// The arguments of a call as text, as a function has them.
    pub fn arguments(&self) -> String {
        match (&self.input, self.arguments) {
            (Some(input), None) => json!({ "input": input }).to_string(),
            (_, Some(raw)) => arguments(raw),
            (None, None) => String::new(),
        }
    }

    /// The parts of a message, of which each is words or a refusal.
    pub fn words(&self) -> impl Iterator<Item = Output> {
        let parts = self.content.iter().flatten();
        parts.filter_map(|part| match (part.text.as_deref(), part.refusal.as_deref()) {
            (Some(text), _) if !text.is_empty() => Some(Output::Text(text.to_owned())),
            (_, Some(refusal)) if !refusal.is_empty() => Some(Output::Refusal(refusal.to_owned())),
            _ => None,
        })
    }

    /// Reasoning: its summary or, where there is none, all of it.
    pub fn thoughts(&self) -> String {
        let text = |parts: &Option<Vec<OutputPart<'_>>>| {
            let texts = parts.iter().flatten().filter_map(|part| part.text.as_deref());
            texts.collect::<Vec<_>>().join("\n\n")
        };
        let summary = text(&self.summary);
        if summary.is_empty() { text(&self.content) } else { summary }
    }

    /// The state of reasoning.
    pub fn state(&self) -> Option<OpaqueState> {
        let sealed = self.encrypted_content.as_deref().filter(|sealed| !sealed.is_empty())?;
        match unseal(sealed) {
            Sealed::Reasoning(state) | Sealed::Call(state) => Some(state),
        }
    }

    fn into_output(self) -> Vec<Output> {
        match self.kind() {
            "message" => self.words().collect(),
            "reasoning" => {
                let (text, state) = (self.thoughts(), self.state());
                let filled = !text.is_empty() || state.is_some();
                filled.then_some(Output::Thinking { text, state }).into_iter().collect()
            }
            "function_call" | "custom_tool_call" => {
                // Without a name there is nothing that could be called.
                let name = self.name.as_deref().filter(|name| !name.is_empty());
                let call = name.map(|name| Output::ToolCall {
                    id: self.call_id(),
                    name: name.to_owned(),
                    arguments: self.arguments(),
                    state: None,
                });
                call.into_iter().collect()
            }
            // What a hosted tool did; the model tells of it in its own words.
            _ => Vec::new(),
        }
    }
}

/// Arguments are a text that is JSON; some servers send the JSON itself.
pub(in super::super) fn arguments(raw: &RawValue) -> String {
    match serde_json::from_str(raw.get()) {
        Ok(text) => text,
        Err(_) if raw.get() == "null" => String::new(),
        Err(_) => raw.get().to_owned(),
    }
}

/// Why a response ended, from its `status` and what it holds.
pub(in super::super) fn finish_of(
    incomplete: bool,
    reason: Option<&str>,
    called: bool,
    refused: bool,
) -> Finish {
    match (incomplete, reason) {
        (true, Some("content_filter")) => Finish::Refused,
        // Whatever the limit was, the answer was cut.
        (true, _) => Finish::Length,
        (false, _) if called => Finish::ToolCalls,
        (false, _) if refused => Finish::Refused,
        (false, _) => Finish::Stop,
    }
}

/// Reads a whole response. One that failed or is not there yet is no answer.
pub(in super::super) fn read(body: &[u8]) -> Result<Reply, Malformed> {
    let response: Response<'_> = read_object(body)?;
    let status = response.status.as_deref().unwrap_or("completed");
    if !matches!(status, "completed" | "incomplete") || is_filled(response.error) {
        return Err(Malformed);
    }
    let items = response.output.ok_or(Malformed)?;
    let output: Vec<_> = items.into_iter().flat_map(OutputItem::into_output).collect();
    let called = output.iter().any(|output| matches!(output, Output::ToolCall { .. }));
    let refused = output.iter().any(|output| matches!(output, Output::Refusal(_)));
    let reason = response.incomplete_details.and_then(|details| details.reason);
    let finish = finish_of(status == "incomplete", reason.as_deref(), called, refused);
    Ok(Reply {
        id: response.id.unwrap_or_default().into_owned(),
        model: response.model.unwrap_or_default().into_owned(),
        choices: vec![Choice { index: 0, output, finish: Some(finish) }],
        usage: response.usage.and_then(usage::read_openai).unwrap_or_default(),
        service_tier: response.service_tier.map(Cow::into_owned),
    })
}

#[cfg(test)]
mod tests;
