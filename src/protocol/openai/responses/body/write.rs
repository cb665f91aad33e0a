//! A response for a client.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::sealed::{seal, seal_call};
use super::item::{Content, Item, ItemView, Words};
use crate::protocol::dialect::ClientView;
use crate::protocol::neutral::{Finish, Output, Reply};
use crate::protocol::usage::Usage;

/// What a response says of itself beside its output.
#[derive(Debug)]
pub(in super::super) struct Answer {
    /// Its id.
    pub id: String,
    model: String,
    created: u64,
    request_id: String,
}

#[derive(Serialize)]
pub(in super::super) struct ResponseView<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    error: Option<()>,
    incomplete_details: Option<Value>,
    // The settings of the request: what a server without a store has to say of them to clients that
    // want these members to be there.
    instructions: Option<()>,
    max_output_tokens: Option<()>,
    metadata: Value,
    model: &'a str,
    output: Vec<ItemView<'a>>,
    parallel_tool_calls: bool,
    previous_response_id: Option<()>,
    reasoning: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    store: bool,
    temperature: Option<()>,
    text: Value,
    tool_choice: &'static str,
    tools: [(); 0],
    top_p: Option<()>,
    truncation: &'static str,
    usage: Option<UsageView>,
}

#[derive(Serialize)]
struct UsageView {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

/// This API's details are required; what is unknown is 0.
fn usage(usage: Usage) -> Option<UsageView> {
    if usage == Usage::default() {
        return None;
    }
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    Some(UsageView {
        input_tokens: input,
        input_tokens_details: InputDetails {
            cached_tokens: usage.cached_input.unwrap_or(0),
            cache_write_tokens: usage.cache_written,
        },
        output_tokens: output,
        output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning.unwrap_or(0) },
        total_tokens: input.saturating_add(output),
    })
}

/// How far a response has come.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Status<'a> {
    /// More is to come.
    InProgress,
    /// It ended; `None` if nobody knows why.
    Ended(Option<&'a Finish>),
}

impl Status<'_> {
    /// As the wire has it. A model that refuses in words of its own has answered.
    pub fn word(self, items: &[Item]) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Ended(Some(Finish::Refused)) if !refuses(items) => "incomplete",
            Self::Ended(None | Some(Finish::Length)) => "incomplete",
            Self::Ended(Some(_)) => "completed",
        }
    }

    fn details(self, items: &[Item]) -> Option<Value> {
        match self {
            Self::Ended(Some(Finish::Length)) => Some(json!({"reason": "max_output_tokens"})),
            Self::Ended(Some(Finish::Refused)) if !refuses(items) => {
                Some(json!({"reason": "content_filter"}))
            }
            _ => None,
        }
    }
}

/// Whether an output holds the words of a refusal.
fn refuses(items: &[Item]) -> bool {
    items.iter().any(|item| match &item.content {
        Content::Message(parts) => parts.iter().any(|words| words.refusal),
        Content::Reasoning { .. } | Content::Call { .. } => false,
    })
}

impl Answer {
    /// `id` is what the provider calls the answer, which stays if it is an id of this API.
    pub fn new(id: &str, client: &ClientView<'_>) -> Self {
        let mut answer = Self {
            id: String::new(),
            model: client.model.to_owned(),
            created: client.created,
            request_id: client.request_id.to_owned(),
        };
        answer.name(id);
        answer
    }

    /// Takes the provider's id over, if it is one of this API.
    pub fn name(&mut self, id: &str) {
        self.id = if id.starts_with("resp_") {
            id.to_owned()
        } else {
            format!("resp_{}", self.request_id)
        };
    }

    /// An item at the end of `items`.
    pub fn item(&self, items: &[Item], status: &'static str, content: Content) -> Item {
        let id = format!("{}_{}_{}", Item::prefix(&content), self.request_id, items.len());
        Item { id, status, content }
    }

    /// The id of a call whose provider gave none; `number` is unique in the answer.
    pub fn call_id(&self, given: &str, number: usize) -> String {
        if given.is_empty() {
            format!("call_{}_{number}", self.request_id)
        } else {
            given.to_owned()
        }
    }

    /// The response with what has been generated so far.
    pub fn view<'a>(
        &'a self,
        items: &'a [Item],
        status: Status<'_>,
        counts: Usage,
    ) -> ResponseView<'a> {
        ResponseView {
            id: &self.id,
            object: "response",
            created_at: self.created,
            status: status.word(items),
            background: false,
            error: None,
            incomplete_details: status.details(items),
            instructions: None,
            max_output_tokens: None,
            metadata: json!({}),
            model: &self.model,
            output: items.iter().map(Item::view).collect(),
            parallel_tool_calls: true,
            previous_response_id: None,
            reasoning: json!({"effort": null, "summary": null}),
            service_tier: None,
            store: false,
            temperature: None,
            text: json!({"format": {"type": "text"}}),
            tool_choice: "auto",
            tools: [],
            top_p: None,
            truncation: "disabled",
            usage: usage(counts),
        }
    }
}

/// Writes a whole answer. There is one choice: this API has no way to ask for more.
pub(in super::super) fn write(reply: &Reply, client: &ClientView<'_>) -> Bytes {
    let answer = Answer::new(&reply.id, client);
    let choice = reply.choices.first();
    let mut items = Vec::new();
    for output in choice.map_or(&[][..], |choice| &choice.output) {
        push(&mut items, output, &answer, client);
    }
    let finish = choice.and_then(|choice| choice.finish.as_ref());
    if finish == Some(&Finish::Length)
        && let Some(last) = items.last_mut()
    {
        last.status = "incomplete";
    }
    // A whole answer without a reason is a whole answer.
    let status = Status::Ended(finish.or(Some(&Finish::Stop)));
    let mut view = answer.view(&items, status, reply.usage);
    view.service_tier = reply.service_tier.as_deref();
    Bytes::from(serde_json::to_vec(&view).expect("texts and numbers can be written as JSON"))
}

fn push(items: &mut Vec<Item>, output: &Output, answer: &Answer, client: &ClientView<'_>) {
    let mut add = |content| {
        let item = answer.item(items, "completed", content);
        items.push(item);
    };
    match output {
        Output::Text(text) if text.is_empty() => {}
        Output::Text(text) => say(items, answer, Words { refusal: false, text: text.clone() }),
        Output::Refusal(text) => say(items, answer, Words { refusal: true, text: text.clone() }),
        Output::Thinking { text, state } => {
            add(Content::Reasoning { text: text.clone(), sealed: state.as_ref().map(seal) });
        }
        Output::ToolCall { id, name, arguments, state } => {
            if let Some(state) = state {
                add(Content::Reasoning { text: String::new(), sealed: Some(seal_call(state)) });
            }
            let call_id = answer.call_id(id, items.len());
            let mut content = Content::call(call_id, name, client.stand_ins);
            if let Content::Call { arguments: written, .. } = &mut content {
                written.clone_from(arguments);
            }
            content.complete();
            let item = answer.item(items, "completed", content);
            items.push(item);
        }
    }
}

/// Words in a row are parts of one message.
fn say(items: &mut Vec<Item>, answer: &Answer, words: Words) {
    if let Some(Item { content: Content::Message(parts), .. }) = items.last_mut() {
        parts.push(words);
        return;
    }
    let item = answer.item(items, "completed", Content::Message(vec![words]));
    items.push(item);
}
