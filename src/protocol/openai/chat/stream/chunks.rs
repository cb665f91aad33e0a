//! What the chunks of chat completions and of legacy completions have in common when they are
//! written: everything around the choices.

use serde::Serialize;

use super::super::answer::{UsageMember, UsageOut};
use crate::protocol::dialect::ClientView;
use crate::protocol::usage::Usage;
use crate::wire::sse::encode_event;

/// The chunks of one stream.
pub(in crate::protocol::openai) struct Chunks {
    object: &'static str,
    id: String,
    model: String,
    created: u64,
    include_usage: bool,
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Chunk<'a, C> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [C],
    #[serde(skip_serializing_if = "UsageMember::is_absent")]
    usage: UsageMember,
}

impl Chunks {
    /// Chunks that call themselves `object`, of an answer by that id, for one client.
    pub fn new(object: &'static str, id: String, client: &ClientView<'_>) -> Self {
        Self {
            object,
            id,
            model: client.model.to_owned(),
            created: client.created,
            include_usage: client.include_usage,
            usage: None,
        }
    }

    /// The provider has named the answer.
    pub fn name(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    /// Takes counts, for the end.
    pub fn count(&mut self, usage: Usage) {
        self.usage.get_or_insert_default().update(usage);
    }

    /// Sends a chunk of one choice.
    pub fn send(&self, choice: impl Serialize, out: &mut Vec<u8>) {
        self.put(&[choice], UsageMember::of_chunk(self.include_usage), out);
    }

    /// Sends the counts, if they were asked for, and the end marker.
    pub fn end(&self, out: &mut Vec<u8>) {
        if let Some(usage) = self.usage.filter(|_| self.include_usage) {
            self.put::<()>(&[], UsageMember::Known(UsageOut::from(&usage)), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn put<C: Serialize>(&self, choices: &[C], usage: UsageMember, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.id,
            object: self.object,
            created: self.created,
            model: &self.model,
            choices,
            usage,
        };
        let chunk = serde_json::to_vec(&chunk).expect("plain values are JSON");
        out.extend_from_slice(&encode_event(None, &chunk));
    }
}
