//! The framings of streams, and streams in pieces.

use bytes::Bytes;
use pilothouse::wire::event_stream::{self, BrokenStream, EventStreamParser};
use pilothouse::wire::sse::{self, FrameKind, SseParser};

use super::Random;

/// More than any input has.
const UNLIMITED: usize = 1 << 30;

/// One frame as a reader of events sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    pub name: Option<String>,
    pub data: Vec<u8>,
    /// Of binary frames always an event.
    pub kind: FrameKind,
}

/// A stream as it comes off the wire.
#[derive(Debug)]
pub struct Pieces(Vec<Bytes>);

impl From<Vec<Bytes>> for Pieces {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self(pieces)
    }
}

impl Pieces {
    /// All at once.
    pub fn whole(bytes: &[u8]) -> Self {
        Self(vec![Bytes::copy_from_slice(bytes)])
    }

    /// In pieces of lengths that the input chooses: byte by byte, or of any length up to some.
    pub fn cut(bytes: &[u8], [first, second]: [u8; 2]) -> Self {
        let longest = 1 + 8 * usize::from(first);
        let mut random = Random::new(u64::from(second));
        let mut pieces = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = (1 + random.below(longest)).min(rest.len());
            let (piece, after) = rest.split_at(length);
            pieces.push(Bytes::copy_from_slice(piece));
            rest = after;
        }
        Self(pieces)
    }
}

impl From<&sse::Frame> for Framed {
    fn from(frame: &sse::Frame) -> Self {
        assert_eq!(&frame.data_bytes()[..], frame.data());
        Self {
            name: frame.event().map(str::to_owned),
            data: frame.data().to_vec(),
            kind: frame.kind(),
        }
    }
}

/// The events of a stream, and what was left without a blank line.
pub fn read_sse(pieces: Pieces) -> (Vec<Framed>, Option<Framed>) {
    let (frames, rest) = sse_frames(pieces);
    (frames.iter().map(Framed::from).collect(), rest.as_ref().map(Framed::from))
}

fn sse_frames(pieces: Pieces) -> (Vec<sse::Frame>, Option<sse::Frame>) {
    let mut parser = SseParser::new(UNLIMITED);
    let mut frames = Vec::new();
    for piece in pieces.0 {
        parser.feed(piece);
        while let Some(frame) = parser.next_frame().expect("no input is so long") {
            frames.push(frame);
        }
    }
    (frames, parser.finish())
}

/// The events of a binary stream, and how it ended.
pub fn read_aws(pieces: Pieces) -> (Vec<Framed>, Result<(), BrokenStream>) {
    let mut parser = EventStreamParser::new(UNLIMITED);
    let mut frames = Vec::new();
    for piece in pieces.0 {
        parser.feed(piece);
        while let Ok(Some(frame)) = parser.next_frame() {
            assert_eq!(&frame.data_bytes()[..], frame.data());
            frames.push(Framed {
                name: frame.event().map(str::to_owned),
                data: frame.data().to_vec(),
                kind: FrameKind::Event,
            });
        }
    }
    (frames, parser.finish())
}

/// Server-sent events.
pub fn sse(input: &[u8]) {
    let (choice, text) = super::choices(input);
    let whole = read_sse(Pieces::whole(text));
    assert_eq!(whole, read_sse(Pieces::cut(text, choice)), "chunks change the events");

    let (frames, rest) = sse_frames(Pieces::whole(text));
    let raw: Vec<u8> = frames.iter().chain(&rest).flat_map(|frame| frame.raw().to_vec()).collect();
    assert_eq!(raw, text, "a stream in one chunk loses no byte");

    for frame in whole.0.iter().chain(&whole.1).filter(|frame| frame.kind == FrameKind::Event) {
        let ours = sse::encode_event(frame.name.as_deref(), &frame.data);
        let again = read_sse(Pieces::whole(&ours));
        assert_eq!(again, (vec![frame.clone()], None), "what is written is what was read");
    }

    let mut small = SseParser::new(usize::from(choice[0]));
    for piece in Pieces::cut(text, choice).0 {
        small.feed(piece);
        while let Ok(Some(frame)) = small.next_frame() {
            assert!(frame.raw().len() <= usize::from(choice[0]), "over the limit");
        }
        assert!(small.held() <= usize::from(choice[0]), "holds more than the limit");
    }
    small.finish();
}

/// AWS's binary event streams: the bytes as they are, and with their checksums put right.
pub fn event_stream(input: &[u8]) {
    let (choice, bytes) = super::choices(input);
    for bytes in [bytes.to_vec(), with_checksums(bytes)] {
        let whole = read_aws(Pieces::whole(&bytes));
        assert_eq!(whole, read_aws(Pieces::cut(&bytes, choice)), "chunks change the events");
        let mut small = EventStreamParser::new(usize::from(choice[0]));
        for piece in Pieces::cut(&bytes, choice).0 {
            small.feed(piece);
            while let Ok(Some(frame)) = small.next_frame() {
                assert!(frame.raw().len() <= usize::from(choice[0]), "over the limit");
            }
        }
        for frame in &whole.0 {
            let name = frame.name.as_deref().unwrap_or_default();
            let ours = event_stream::encode_event(name, &frame.data);
            let again = read_aws(Pieces::whole(&ours));
            assert_eq!(again, (vec![frame.clone()], Ok(())), "what is written is what was read");
        }
    }
}

/// The same frames, their lengths made possible and their checksums right, so that what lies behind
/// the checks is reached.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    const AROUND: usize = 16;

    let mut out = Vec::new();
    let mut rest = bytes;
    while rest.len() >= AROUND {
        let length = |at: usize| {
            let number = [rest[at], rest[at + 1], rest[at + 2], rest[at + 3]];
            usize::try_from(u32::from_be_bytes(number)).unwrap_or(usize::MAX)
        };
        let total = length(0).clamp(AROUND, rest.len());
        let headers = length(4).min(total - AROUND);
        let (frame, after) = rest.split_at(total);
        let start = out.len();
        for number in [total, headers] {
            out.extend(u32::try_from(number).expect("inputs are short").to_be_bytes());
        }
        out.extend(crc32fast::hash(&out[start..]).to_be_bytes());
        out.extend(&frame[12..total - 4]);
        out.extend(crc32fast::hash(&out[start..]).to_be_bytes());
        rest = after;
    }
    out
}
