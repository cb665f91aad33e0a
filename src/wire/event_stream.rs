//! AWS event streams (`application/vnd.amazon.eventstream`), cut into frames.
//!
//! A frame is binary and says beforehand how long it is:
//!
//! ```text
//! u32 total length | u32 length of headers | u32 CRC-32 of these 8 bytes | headers | payload
//! | u32 CRC-32 of everything before          (all big-endian)
//! header: u8 length of name, name, u8 type of value, value
//! ```
//!
//! As with [`super::sse`], a parser takes chunks of any size and gives back whole frames, each with
//! the exact bytes it came in; the unfinished frame is the only thing held. The first checksum is
//! looked at before the length is believed: an error page read as a frame would announce gigabytes.

mod encode;
mod headers;

use std::ops::Range;

use bytes::Bytes;

use headers::Headers;

pub use encode::{encode_event, encode_exception, put_event};

/// Both lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;

/// The stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenStream {
    /// A frame is longer than the parser's limit.
    #[error("a frame of the event stream is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes are no event stream, or were changed on their way.
    #[error("not a valid AWS event stream: {0}")]
    Malformed(&'static str),
}

/// What a frame carries (`:message-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// An event of the API.
    Event,
    /// An error that the API documents; its payload is the error.
    Exception,
    /// An error of the service beneath the API, told in headers.
    Error,
    /// Anything else; it is to be ignored.
    Other,
}

/// One frame.
#[derive(Debug, Clone)]
pub struct Frame {
    raw: Bytes,
    headers: Headers,
    payload: Range<usize>,
}

impl Frame {
    /// The bytes it came in.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Takes the bytes out, to be passed on.
    pub fn into_raw(self) -> Bytes {
        self.raw
    }

    /// What it carries.
    pub fn kind(&self) -> MessageKind {
        self.headers.kind
    }

    /// The event's name, or that of the exception or error; `None` if it has none, an empty one, or
    /// one that is not UTF-8.
    pub fn event(&self) -> Option<&str> {
        let name = self.raw.get(self.headers.name.clone()?)?;
        std::str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }

    /// The payload; for a [`MessageKind::Error`] without one its message.
    pub fn data(&self) -> &[u8] {
        &self.raw[self.data_range()]
    }

    /// [`Self::data`] as shared bytes: a slice of the frame.
    pub fn data_bytes(&self) -> Bytes {
        self.raw.slice(self.data_range())
    }

    fn data_range(&self) -> Range<usize> {
        match &self.headers.error_message {
            Some(message) if self.payload.is_empty() => message.clone(),
            _ => self.payload.clone(),
        }
    }
}

/// Cuts a byte stream into [`Frame`]s.
///
/// ```
/// use pilothouse::wire::event_stream::{EventStreamParser, encode_event};
///
/// let sent = encode_event("messageStart", br#"{"role":"assistant"}"#);
/// let mut parser = EventStreamParser::new(64 * 1024);
/// parser.feed(sent.slice(..20));
/// assert!(parser.next_frame()?.is_none());
/// parser.feed(sent.slice(20..));
/// let frame = parser.next_frame()?.expect("it is whole now");
/// assert_eq!(frame.event(), Some("messageStart"));
/// assert_eq!(frame.raw(), &sent);
/// # Ok::<(), pilothouse::wire::event_stream::BrokenStream>(())
/// ```
#[derive(Debug)]
pub struct EventStreamParser {
    max_frame: usize,
    /// The beginning of the frame that is not whole yet.
    held: Vec<u8>,
    /// What has not been consumed of the last chunk. It goes on where `held` ends.
    chunk: Bytes,
    failed: Option<BrokenStream>,
}

impl EventStreamParser {
    /// A parser that refuses frames of more than `max_frame` bytes.
    pub fn new(max_frame: usize) -> Self {
        Self { max_frame, held: Vec::new(), chunk: Bytes::new(), failed: None }
    }

    /// Takes the next chunk. Then [`Self::next_frame`] is called until it gives `None`; frames that
    /// were not asked for stay, at the price of a copy.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            self.chunk = [&self.chunk[..], &chunk].concat().into();
        }
    }

    /// The next whole frame, or `None` until more bytes come. After an error only the error.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, BrokenStream> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let frame = self.cut().and_then(|raw| raw.map(parse).transpose());
        if let Err(error) = frame {
            *self = Self { failed: Some(error), ..Self::new(self.max_frame) };
        }
        frame
    }

    /// Bytes of the unfinished frame, which is all that is held between chunks.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Ends the stream: an error if it was cut inside a frame.
    pub fn finish(&mut self) -> Result<(), BrokenStream> {
        let left = !self.held.is_empty() || !self.chunk.is_empty();
        let error = left.then_some(BrokenStream::Malformed("it ends inside a frame"));
        self.failed = self.failed.or(error);
        self.failed.map_or(Ok(()), Err)
    }

    /// The bytes of the next frame, once they are all there.
    fn cut(&mut self) -> Result<Option<Bytes>, BrokenStream> {
        if self.held.is_empty() && self.chunk.len() >= PRELUDE {
            let total = self.total(&self.chunk)?;
            if self.chunk.len() >= total {
                return Ok(Some(self.chunk.split_to(total)));
            }
        }
        if !self.hold(PRELUDE) {
            return Ok(None);
        }
        let total = self.total(&self.held)?;
        Ok(self.hold(total).then(|| std::mem::take(&mut self.held).into()))
    }

    /// Moves bytes over until `wanted` of them are held; whether there were enough.
    fn hold(&mut self, wanted: usize) -> bool {
        let missing = wanted.saturating_sub(self.held.len()).min(self.chunk.len());
        self.held.extend_from_slice(&self.chunk.split_to(missing));
        self.held.len() >= wanted
    }

    /// The length of the frame that begins with these bytes, which hold its prelude.
    fn total(&self, frame: &[u8]) -> Result<usize, BrokenStream> {
        let checksum = crc32fast::hash(&frame[..8]);
        if read_u32(frame, 8) != checksum {
            return Err(BrokenStream::Malformed("a frame's lengths do not match their checksum"));
        }
        let [total, headers] = [0, 4].map(|at| read_u32(frame, at) as usize);
        if total > self.max_frame {
            return Err(BrokenStream::TooLarge { limit: self.max_frame });
        }
        if headers > total.saturating_sub(PRELUDE + TRAILER) || total < PRELUDE + TRAILER {
            return Err(BrokenStream::Malformed("a frame's headers are longer than the frame"));
        }
        Ok(total)
    }
}

/// Reads a whole frame, whose lengths were checked.
fn parse(raw: Bytes) -> Result<Frame, BrokenStream> {
    let end = raw.len() - TRAILER;
    if read_u32(&raw, end) != crc32fast::hash(&raw[..end]) {
        return Err(BrokenStream::Malformed("a frame does not match its checksum"));
    }
    let payload = PRELUDE + read_u32(&raw, 4) as usize;
    let headers = Headers::read(&raw, PRELUDE..payload)
        .ok_or(BrokenStream::Malformed("a frame's headers cannot be read"))?;
    Ok(Frame { raw, headers, payload: payload..end })
}

/// Big-endian, as all numbers here.
fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests;
