//! The Responses API as one of the chat-like APIs.

use bytes::Bytes;

use super::{body, request, sealed, stream};
use crate::protocol::Malformed;
use crate::protocol::dialect::{
    ClientView, Dialect, DialectId, EventReader, EventWriter, Quirks, TargetView, Unreadable,
    Written,
};
use crate::protocol::neutral::{CannotCross, Crossing, MediaKind, OpaqueState, Reply, Request};

/// `POST /v1/responses`, without memory: whatever needs a response that was stored is refused.
#[derive(Debug)]
pub struct ResponsesDialect;

impl Dialect for ResponsesDialect {
    fn id(&self) -> DialectId {
        DialectId::OpenAiResponses
    }

    fn holds_foreign_state(&self, body: &[u8]) -> bool {
        OpaqueState::is_marked_in(body) || sealed::is_marked_in(body)
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
        body::read(body)
    }

    fn write_reply(&self, reply: &Reply, client: &ClientView<'_>) -> Bytes {
        body::write(reply, client)
    }

    fn event_reader(&self) -> Box<dyn EventReader> {
        Box::new(stream::ResponsesReader::default())
    }

    fn event_writer(&self, client: &ClientView<'_>) -> Box<dyn EventWriter> {
        Box::new(stream::ResponsesWriter::new(client))
    }
}
