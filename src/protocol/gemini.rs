//! Google's `generateContent`: the Gemini API and Vertex AI.
//!
//! Sources: the API references of both and Google's own SDKs. A stream is unnamed events, each a
//! whole response with a part of the text; there is no end marker, the last event has the finish
//! reasons. Comments between events are no option: some of Google's SDKs take every line for data.

mod answers;
mod error;
mod finish;
mod members;
mod names;
mod reply;
mod request;
mod schema;
mod signature;
mod stream;
mod usage;
mod wire;

use bytes::Bytes;

use super::dialect::{
    ClientView, Dialect, DialectId, EventReader, EventWriter, Quirks, TargetView, Unreadable,
    Written,
};
use super::error::{ErrorFacts, ErrorView};
use super::neutral::{CannotCross, Crossing, MediaKind, Reply, Request};
use super::registry::ProtocolId;
use super::{Malformed, Protocol};

pub use answers::GeminiAnswers;

/// Google's protocol.
#[derive(Debug)]
pub struct Gemini;

impl Protocol for Gemini {
    fn id(&self) -> ProtocolId {
        ProtocolId::Gemini
    }

    fn write_error(&self, error: &ErrorView<'_>) -> Bytes {
        error::write(error)
    }

    fn read_error(&self, body: &[u8]) -> ErrorFacts {
        error::read(body)
    }
}

/// `generateContent` and `streamGenerateContent?alt=sse`.
#[derive(Debug)]
pub struct GeminiDialect;

impl Dialect for GeminiDialect {
    fn id(&self) -> DialectId {
        DialectId::Gemini
    }

    fn holds_foreign_state(&self, body: &[u8]) -> bool {
        signature::is_foreign_in(body)
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, Unreadable> {
        request::read(body)
    }

    fn wants_bytes(&self, _kind: MediaKind, quirks: &Quirks) -> bool {
        !quirks.image_urls
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
        reply::read(body)
    }

    fn write_reply(&self, reply: &Reply, client: &ClientView<'_>) -> Bytes {
        reply::write(reply, client)
    }

    fn event_reader(&self) -> Box<dyn EventReader> {
        Box::new(stream::Reader::default())
    }

    fn event_writer(&self, client: &ClientView<'_>) -> Box<dyn EventWriter> {
        Box::new(stream::Writer::new(client))
    }
}
