//! A whole legacy completion, written.

use bytes::Bytes;
use serde::Serialize;

use super::super::chat::{UsageOut, finish_word};
use crate::protocol::dialect::ClientView;
use crate::protocol::neutral::{Choice, Finish, Output, Reply};

#[derive(Serialize)]
struct ReplyOut<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChoiceOut>,
    usage: UsageOut,
}

#[derive(Serialize)]
struct ChoiceOut {
    text: String,
    index: u32,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

pub(super) fn write(reply: &Reply, client: &ClientView<'_>) -> Bytes {
    let out = ReplyOut {
        id: answer_id(&reply.id, client),
        object: "text_completion",
        created: client.created,
        model: client.model,
        choices: reply.choices.iter().map(write_choice).collect(),
        usage: UsageOut::from(&reply.usage),
    };
    Bytes::from(serde_json::to_vec(&out).expect("plain values are JSON"))
}

/// The provider's id, or one of the gateway's own.
pub(super) fn answer_id(given: &str, client: &ClientView<'_>) -> String {
    if given.is_empty() { format!("cmpl-{}", client.request_id) } else { given.to_owned() }
}

/// The API's word for why an answer ended. It has no tools, and a request of it can offer none.
pub(super) fn ending(finish: &Finish) -> &'static str {
    match finish {
        Finish::ToolCalls => "stop",
        other => finish_word(other),
    }
}

fn write_choice(choice: &Choice) -> ChoiceOut {
    let mut text = String::new();
    for piece in &choice.output {
        // Reasoning is no part of the text, and the API has no other place for it.
        if let Output::Text(more) | Output::Refusal(more) = piece {
            text.push_str(more);
        }
    }
    let finish_reason = choice.finish.as_ref().map_or("stop", ending);
    ChoiceOut { text, index: choice.index, logprobs: None, finish_reason }
}
