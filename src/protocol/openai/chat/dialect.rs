//! Chat completions as one of the APIs that are translated.

use bytes::Bytes;

use super::stream::{ChunkReader, ChunkWriter};
use super::{reply, request, write};
use crate::protocol::Malformed;
use crate::protocol::dialect::{
    ClientView, Dialect, DialectId, EventReader, EventWriter, Quirks, TargetView, Unreadable,
    Written,
};
use crate::protocol::neutral::{CannotCross, Crossing, MediaKind, Reply, Request};

/// Chat completions.
#[derive(Debug)]
pub struct ChatDialect;

impl Dialect for ChatDialect {
    fn id(&self) -> DialectId {
        DialectId::OpenAiChat
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, Unreadable> {
        request::read(body)
    }

    fn wants_bytes(&self, kind: MediaKind, quirks: &Quirks) -> bool {
        // Documents have no place for a URL.
        kind == MediaKind::Document || !quirks.image_urls
    }

    fn write_request(
        &self,
        request: &Request,
        target: &TargetView<'_>,
        crossing: &mut Crossing,
    ) -> Result<Written, CannotCross> {
        write::write(request, target, crossing)
    }

    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed> {
        reply::read(body)
    }

    fn write_reply(&self, reply: &Reply, client: &ClientView<'_>) -> Bytes {
        reply::write(reply, client)
    }

    fn event_reader(&self) -> Box<dyn EventReader> {
        Box::new(ChunkReader::default())
    }

    fn event_writer(&self, client: &ClientView<'_>) -> Box<dyn EventWriter> {
        Box::new(ChunkWriter::new(client))
    }
}
