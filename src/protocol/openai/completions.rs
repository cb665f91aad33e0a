//! Legacy completions (`/v1/completions`) as one of the APIs that are translated.
//!
//! A prompt becomes one turn of the user. What only a model that continues texts can do (`suffix`,
//! `echo`, tokens) has no counterpart in a conversation and is refused. `max_tokens`, which OpenAI
//! takes to be 16 where it is absent, is left to the target then: models of today spend as much on
//! their first thoughts.

mod reply;
mod request;
mod stream;

use bytes::Bytes;

use super::chat::{ChunkReader, read_chat_reply};
use crate::protocol::Malformed;
use crate::protocol::dialect::{
    ClientView, Dialect, DialectId, EventReader, EventWriter, Quirks, TargetView, Unreadable,
    Written,
};
use crate::protocol::neutral::{CannotCross, Crossing, MediaKind, Reply, Request};
use stream::TextWriter;

/// Legacy completions.
#[derive(Debug)]
pub struct CompletionsDialect;

impl Dialect for CompletionsDialect {
    fn id(&self) -> DialectId {
        DialectId::OpenAiCompletions
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, Unreadable> {
        request::read(body)
    }

    fn wants_bytes(&self, _kind: MediaKind, _quirks: &Quirks) -> bool {
        // It takes text alone.
        false
    }

    fn write_request(
        &self,
        request: &Request,
        target: &TargetView<'_>,
        crossing: &mut Crossing,
    ) -> Result<Written, CannotCross> {
        request::write(request, target, crossing)
    }

    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed> {
        read_chat_reply(body)
    }

    fn write_reply(&self, reply: &Reply, client: &ClientView<'_>) -> Bytes {
        reply::write(reply, client)
    }

    fn event_reader(&self) -> Box<dyn EventReader> {
        Box::new(ChunkReader::default())
    }

    fn event_writer(&self, client: &ClientView<'_>) -> Box<dyn EventWriter> {
        Box::new(TextWriter::new(client))
    }
}

#[cfg(test)]
mod tests;
