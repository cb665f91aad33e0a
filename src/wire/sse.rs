//! Server-sent events as bytes that are passed on.
//!
//! [`SseParser`] takes chunks as they come off the wire and gives back whole frames, each with the
//! exact bytes it came in, so that a frame nobody changes is forwarded without being written anew.
//! A frame inside one chunk is a slice of that chunk; only a frame that spans chunks is joined. No
//! byte is searched twice, and the unfinished frame is the only thing held.
//!
//! The grammar is the WHATWG event stream, read tolerantly: LF, CRLF and CR end lines, a space after
//! the colon is optional, a byte order mark may begin the stream, and fields nobody knows are
//! carried along. `id` and `retry` mean nothing to a gateway and live on in the raw bytes only.

mod encode;

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memchr2};

pub use encode::{KEEP_ALIVE, encode_event};

/// A frame grew over the parser's limit; the stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {limit} bytes")]
pub struct FrameTooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

/// What a frame is to a reader of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// It has at least one `data` line, even an empty one.
    Event,
    /// It dispatches nothing: comments (keep-alives), stray blank lines, an `event` without data.
    Comment,
}

/// One frame: everything up to and including its blank line.
#[derive(Debug, Clone)]
pub struct Frame {
    raw: Bytes,
    fields: Fields,
}

/// Where the fields of a frame are, counted from the frame's first byte.
#[derive(Debug, Clone, Default)]
struct Fields {
    event: Option<Range<usize>>,
    data: Data,
}

#[derive(Debug, Clone, Default)]
enum Data {
    #[default]
    None,
    Line(Range<usize>),
    /// Several `data` lines, joined by LF as the grammar demands.
    Lines(Vec<u8>),
}

impl Frame {
    /// The bytes as they came, the blank line included.
    ///
    /// Frames stand alone: any of them may be left out or put between others. For that the LF of a
    /// blank line's CRLF, where it comes in a later chunk than its CR, belongs to no frame (CR ends
    /// a line too), and a frame from [`SseParser::finish`] has no blank line at all.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Takes the bytes out, to be passed on.
    pub fn into_raw(self) -> Bytes {
        self.raw
    }

    /// Whether it carries data.
    pub fn kind(&self) -> FrameKind {
        match self.fields.data {
            Data::None => FrameKind::Comment,
            Data::Line(_) | Data::Lines(_) => FrameKind::Event,
        }
    }

    /// The event's name; `None` if it has none, an empty one, or one that is not UTF-8.
    pub fn event(&self) -> Option<&str> {
        let name = self.raw.get(self.fields.event.clone()?)?;
        std::str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }

    /// The data; several lines are joined by LF. Empty for a [`FrameKind::Comment`].
    pub fn data(&self) -> &[u8] {
        match &self.fields.data {
            Data::None => &[],
            Data::Line(span) => &self.raw[span.clone()],
            Data::Lines(joined) => joined,
        }
    }

    /// The data as shared bytes: a slice of the frame where it is one line.
    pub fn data_bytes(&self) -> Bytes {
        match &self.fields.data {
            Data::None => Bytes::new(),
            Data::Line(span) => self.raw.slice(span.clone()),
            Data::Lines(joined) => Bytes::copy_from_slice(joined),
        }
    }
}

/// Cuts a byte stream into [`Frame`]s.
///
/// ```
/// use bytes::Bytes;
/// use pilothouse::wire::sse::SseParser;
///
/// let mut parser = SseParser::new(64 * 1024);
/// parser.feed(Bytes::from_static(b"event: ping\ndata: {}\n\ndata: unfin"));
/// let frame = parser.next_frame()?.expect("the first frame is whole");
/// assert_eq!((frame.event(), frame.data()), (Some("ping"), &b"{}"[..]));
/// assert!(parser.next_frame()?.is_none());
/// # Ok::<(), pilothouse::wire::sse::FrameTooLarge>(())
/// ```
#[derive(Debug)]
pub struct SseParser {
    max_frame: usize,
    /// The frame's bytes from earlier chunks, all of them searched.
    held: Vec<u8>,
    /// What has not been consumed of the last chunk. It goes on where `held` ends.
    chunk: Bytes,
    /// What the finished lines of the current frame said.
    fields: Fields,
    /// Where the unfinished line begins, counted from the frame's first byte.
    line: usize,
    /// The last line ended with the last byte of a chunk, a CR: a LF that follows belongs to it.
    after_cr: bool,
    /// Nothing has been read yet: a byte order mark may come.
    at_start: bool,
    failed: bool,
}

impl SseParser {
    /// A parser that refuses frames of more than `max_frame` bytes.
    pub fn new(max_frame: usize) -> Self {
        Self {
            max_frame,
            held: Vec::new(),
            chunk: Bytes::new(),
            fields: Fields::default(),
            line: 0,
            after_cr: false,
            at_start: true,
            failed: false,
        }
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
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameTooLarge> {
        if self.failed {
            return Err(self.too_large());
        }
        self.skip_late_lf();
        while let Some(terminator) = self.next_terminator() {
            let blank = self.take_line(terminator.clone());
            if blank {
                let frame = self.take_frame(terminator.end);
                return self.bounded(frame.raw.len()).map(|()| Some(frame));
            }
            self.bounded(self.line)?;
        }
        // Everything before the end has been searched: it moves over, and only the rest of the
        // frame will be looked at when it comes.
        self.held.extend_from_slice(&self.chunk);
        self.chunk = Bytes::new();
        self.bounded(self.held.len())?;
        Ok(None)
    }

    /// Bytes of the unfinished frame, which is all that is held between chunks.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Ends the stream and gives what was left without a blank line, if anything was.
    ///
    /// A reader of events drops such a rest. It is handed out because some servers end with
    /// `data: [DONE]` and no blank line, which is different from a stream cut in the middle.
    pub fn finish(&mut self) -> Option<Frame> {
        self.skip_late_lf();
        self.held.extend_from_slice(&self.chunk);
        self.chunk = Bytes::new();
        if self.failed || self.held.is_empty() {
            return None;
        }
        if self.held.len() > self.line {
            self.take_line(self.held.len()..self.held.len());
        }
        Some(self.take_frame(self.held.len()))
    }

    /// The LF of a CRLF that was split by a chunk's end. Inside a frame it is one of its bytes.
    fn skip_late_lf(&mut self) {
        if !self.after_cr || self.chunk.is_empty() {
            return;
        }
        self.after_cr = false;
        if self.chunk[0] == b'\n' {
            let lf = self.chunk.split_to(1);
            if !self.held.is_empty() {
                self.held.extend_from_slice(&lf);
                self.line += 1;
            }
        }
    }

    /// Where the current line's terminator is, counted from the frame's first byte.
    fn next_terminator(&mut self) -> Option<Range<usize>> {
        let searched = self.line.saturating_sub(self.held.len());
        let at = searched + memchr2(b'\n', b'\r', &self.chunk[searched..])?;
        let mut length = 1;
        if self.chunk[at] == b'\r' {
            match self.chunk.get(at + 1) {
                Some(b'\n') => length = 2,
                Some(_) => {}
                None => self.after_cr = true,
            }
        }
        // A frame that began in an earlier chunk grows line by line; another stays where it is.
        let offset = self.held.len();
        if offset > 0 {
            self.held.extend_from_slice(&self.chunk.split_to(at + length));
        }
        Some(offset + at..offset + at + length)
    }

    /// Reads the line that ends at `terminator`; whether it was blank.
    fn take_line(&mut self, terminator: Range<usize>) -> bool {
        let frame = if self.held.is_empty() { &self.chunk[..] } else { &self.held[..] };
        let mut start = self.line;
        if self.at_start {
            self.at_start = false;
            if frame[start..terminator.start].starts_with(b"\xEF\xBB\xBF") {
                start += 3;
            }
        }
        self.line = terminator.end;
        self.fields.read_line(frame, start..terminator.start);
        start == terminator.start
    }

    /// Cuts off the frame that ends `end` bytes after its beginning.
    fn take_frame(&mut self, end: usize) -> Frame {
        let raw = if self.held.is_empty() {
            self.chunk.split_to(end)
        } else {
            std::mem::take(&mut self.held).into()
        };
        self.line = 0;
        Frame { raw, fields: std::mem::take(&mut self.fields) }
    }

    fn bounded(&mut self, length: usize) -> Result<(), FrameTooLarge> {
        if length <= self.max_frame {
            return Ok(());
        }
        *self = Self { failed: true, ..Self::new(self.max_frame) };
        Err(self.too_large())
    }

    fn too_large(&self) -> FrameTooLarge {
        FrameTooLarge { limit: self.max_frame }
    }
}

impl Fields {
    fn read_line(&mut self, frame: &[u8], line: Range<usize>) {
        let text = &frame[line.clone()];
        let (name, mut value) = match memchr(b':', text) {
            Some(colon) => (&text[..colon], line.start + colon + 1..line.end),
            None => (text, line.end..line.end),
        };
        if frame[value.clone()].first() == Some(&b' ') {
            value.start += 1;
        }
        match name {
            b"data" => self.data.push(frame, value),
            b"event" => self.event = Some(value),
            _ => {}
        }
    }
}

impl Data {
    fn push(&mut self, frame: &[u8], line: Range<usize>) {
        match self {
            Self::None => *self = Self::Line(line),
            Self::Line(first) => {
                *self = Self::Lines([&frame[first.clone()], b"\n", &frame[line]].concat());
            }
            Self::Lines(joined) => {
                joined.push(b'\n');
                joined.extend_from_slice(&frame[line]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
