//! Messages, read into the neutral form and written from it.
//!
//! As a client's API both versions in use are read, `2023-06-01` and `2026-10-21`: the newer one only
//! forbids some of what the older one had. What is written to a provider says `2023-06-01`, which
//! every model and every compatible server knows, and which alone has sampling parameters.

mod fields;
mod gates;
mod read;
mod reply;
mod stop;
mod stream;
mod wire;
mod write;

use bytes::Bytes;
use memchr::memmem;

use crate::protocol::Malformed;
use crate::protocol::dialect::{
    ClientView, Dialect, DialectId, EventReader, EventWriter, Quirks, Refused, TargetView,
    Unreadable, Written,
};
use crate::protocol::neutral::{CannotCross, Crossing, MediaKind, OpaqueState, Reply, Request};

/// `POST /v1/messages`.
#[derive(Debug)]
pub struct MessagesDialect;

impl Dialect for MessagesDialect {
    fn id(&self) -> DialectId {
        DialectId::AnthropicMessages
    }

    fn holds_foreign_state(&self, body: &[u8]) -> bool {
        OpaqueState::is_marked_in(body) || has_unsigned_thinking(body)
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, Unreadable> {
        read::read_request(body)
    }

    fn wants_bytes(&self, _kind: MediaKind, quirks: &Quirks) -> bool {
        !quirks.image_urls
    }

    fn refused(&self, quirks: &Quirks, betas: &[String]) -> Vec<Refused> {
        gates::refused(quirks, betas)
    }

    fn write_request(
        &self,
        request: &Request,
        target: &TargetView<'_>,
        crossing: &mut Crossing,
    ) -> Result<Written, CannotCross> {
        write::write_request(request, target, crossing)
    }

    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed> {
        reply::read_reply(body)
    }

    fn write_reply(&self, reply: &Reply, client: &ClientView<'_>) -> Bytes {
        reply::write_reply(reply, client)
    }

    fn event_reader(&self) -> Box<dyn EventReader> {
        Box::new(stream::MessagesReader::default())
    }

    fn event_writer(&self, client: &ClientView<'_>) -> Box<dyn EventWriter> {
        Box::new(stream::MessagesWriter::new(client))
    }
}

#[cfg(test)]
mod tests;

/// Whether thinking stands in a request that nobody has signed: that of servers that sign nothing,
/// which Anthropic refuses.
fn has_unsigned_thinking(body: &[u8]) -> bool {
    let name = b"\"signature\"";
    memmem::find_iter(body, name).any(|at| {
        let value = body[at + name.len()..].trim_ascii_start().strip_prefix(b":");
        value.is_some_and(|value| value.trim_ascii_start().starts_with(b"\"\""))
    })
}
