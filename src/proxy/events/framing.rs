//! How the events of a stream lie in its bytes: Server-Sent Events, or AWS's binary frames.

use bytes::Bytes;

use super::StreamFault;
use super::chunk::Chunk;
use crate::protocol::registry::Framing;
use crate::wire::event_stream::{self, BrokenStream, EventStreamParser, MessageKind};
use crate::wire::sse::{self, FrameKind, SseParser};

/// Cuts a stream into its events.
pub(super) enum Frames {
    Sse(SseParser),
    Aws(EventStreamParser),
    Chunks(EventStreamParser),
}

/// One event as it came.
pub(super) enum Frame {
    Sse(sse::Frame),
    Aws(event_stream::Frame),
    Chunk(Chunk),
}

impl Frames {
    /// Refuses events of more than `max_event` bytes.
    pub fn new(framing: Framing, max_event: usize) -> Self {
        match framing {
            Framing::Sse => Self::Sse(SseParser::new(max_event)),
            Framing::AwsEventStream => Self::Aws(EventStreamParser::new(max_event)),
            Framing::AwsChunks => Self::Chunks(EventStreamParser::new(max_event)),
        }
    }

    pub fn feed(&mut self, chunk: Bytes) {
        match self {
            Self::Sse(parser) => parser.feed(chunk),
            Self::Aws(parser) | Self::Chunks(parser) => parser.feed(chunk),
        }
    }

    pub fn next_frame(&mut self) -> Result<Option<Frame>, StreamFault> {
        match self {
            Self::Sse(parser) => match parser.next_frame() {
                Ok(frame) => Ok(frame.map(Frame::Sse)),
                Err(_) => Err(StreamFault::TooLarge),
            },
            Self::Aws(parser) => Ok(next_binary(parser)?.map(Frame::Aws)),
            Self::Chunks(parser) => {
                Ok(next_binary(parser)?.map(|frame| Frame::Chunk(Chunk::unwrap(&frame))))
            }
        }
    }

    /// Bytes of an unfinished event.
    pub fn held(&self) -> usize {
        match self {
            Self::Sse(parser) => parser.held(),
            Self::Aws(parser) | Self::Chunks(parser) => parser.held(),
        }
    }

    /// What is left at the end, where that may be an event: binary frames say how long they are.
    pub fn finish(&mut self) -> Option<Frame> {
        match self {
            Self::Sse(parser) => parser.finish().map(Frame::Sse),
            Self::Aws(_) | Self::Chunks(_) => None,
        }
    }
}

fn next_binary(parser: &mut EventStreamParser) -> Result<Option<event_stream::Frame>, StreamFault> {
    parser.next_frame().map_err(|broken| match broken {
        BrokenStream::TooLarge { .. } => StreamFault::TooLarge,
        BrokenStream::Malformed(_) => StreamFault::Garbled,
    })
}

impl Frame {
    /// Whether it says nothing at all.
    pub fn is_silent(&self) -> bool {
        match self {
            Self::Sse(frame) => frame.kind() == FrameKind::Comment,
            Self::Aws(frame) => frame.kind() == MessageKind::Other,
            Self::Chunk(chunk) => chunk.is_silent(),
        }
    }

    pub fn event(&self) -> Option<&str> {
        match self {
            Self::Sse(frame) => frame.event(),
            Self::Aws(frame) => frame.event(),
            Self::Chunk(chunk) => chunk.event(),
        }
    }

    pub fn data(&self) -> &[u8] {
        match self {
            Self::Sse(frame) => frame.data(),
            Self::Aws(frame) => frame.data(),
            Self::Chunk(chunk) => chunk.data(),
        }
    }

    /// The bytes to pass on: those that it came in, unless they are a cloud's wrapping.
    pub fn into_raw(self) -> Bytes {
        match self {
            Self::Sse(frame) => frame.into_raw(),
            Self::Aws(frame) => frame.into_raw(),
            Self::Chunk(chunk) => chunk.to_event(),
        }
    }
}
