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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed};
    use serde_json::json;

    use super::*;
    use crate::wire::event_stream::{encode_event, encode_exception};

    /// More than any stream here has.
    const UNLIMITED: usize = 1 << 20;

    /// Name, data, silence, and the bytes to pass on.
    type Read = (Option<String>, Vec<u8>, bool, Bytes);

    /// The events of a stream up to what cannot be read, and whether there is such.
    fn read(framing: Framing, pieces: &[&[u8]]) -> (Vec<Read>, bool) {
        let mut frames = Frames::new(framing, UNLIMITED);
        let mut events = Vec::new();
        let mut take = |frame: Frame| {
            let (name, data) = (frame.event().map(str::to_owned), frame.data().to_vec());
            events.push((name, data, frame.is_silent(), frame.into_raw()));
        };
        for piece in pieces {
            frames.feed(Bytes::copy_from_slice(piece));
            loop {
                match frames.next_frame() {
                    Ok(Some(frame)) => take(frame),
                    Ok(None) => break,
                    Err(_) => return (events, true),
                }
            }
        }
        if let Some(frame) = frames.finish() {
            take(frame);
        }
        (events, false)
    }

    fn cut<'b>(bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
        let mut pieces = Vec::new();
        let mut rest = bytes;
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }

    /// What may stand inside a chunk: events, other JSON, no JSON at all.
    fn inside() -> impl Strategy<Value = Vec<u8>> {
        let event = |(kind, text): (String, String)| {
            json!({"type": kind, "text": text}).to_string().into_bytes()
        };
        prop_oneof![
            (any::<String>(), any::<String>()).prop_map(event),
            "[{\\[\"typea:,\n\r ]{0,20}".prop_map(String::into_bytes),
            any::<Vec<u8>>(),
        ]
    }

    fn chunk(data: &[u8]) -> Bytes {
        let payload = json!({"bytes": BASE64_STANDARD.encode(data), "p": "abc"});
        encode_event("chunk", payload.to_string().as_bytes())
    }

    /// A piece of a stream, sound or not.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let named = ("[a-z]{0,9}", any::<Vec<u8>>());
        prop_oneof![
            4 => inside().prop_map(|data| chunk(&data).to_vec()),
            1 => named.clone().prop_map(|(name, data)| encode_event(&name, &data).to_vec()),
            1 => named.prop_map(|(name, data)| encode_exception(&name, &data).to_vec()),
            1 => any::<Vec<u8>>(),
            1 => "(event|data|: |\n|\r|a){0,9}".prop_map(String::into_bytes),
        ]
    }

    /// The same streams in every run: what a change has to pass must not depend on luck.
    fn config() -> Config {
        Config { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn cuts_change_no_event(
            stream in prop::collection::vec(piece(), 0..6),
            lengths in prop::collection::vec(1_usize..80, 1..4),
        ) {
            let bytes = stream.concat();
            for framing in [Framing::Sse, Framing::AwsEventStream, Framing::AwsChunks] {
                let (whole, broken) = read(framing, &[&bytes]);
                let (events, also) = read(framing, &cut(&bytes, &lengths));
                prop_assert_eq!(broken, also);
                prop_assert_eq!(whole.len(), events.len());
                for (one, other) in whole.iter().zip(&events) {
                    prop_assert_eq!((&one.0, &one.1, one.2), (&other.0, &other.1, other.2));
                }
            }
        }

        #[test]
        fn an_event_out_of_a_chunk_is_one_of_server_sent_events(data in inside()) {
            let (events, broken) = read(Framing::AwsChunks, &[&chunk(&data)]);
            prop_assert!(!broken && events.len() == 1);
            let (name, inside, silent, raw) = &events[0];
            prop_assert_eq!((inside, *silent), (&data, false));
            let (again, _) = read(Framing::Sse, &[raw]);
            prop_assert_eq!(again.len(), 1);
            let one_line = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
            if one_line(&data) && name.as_ref().is_none_or(|name| one_line(name.as_bytes())) {
                prop_assert_eq!(&again[0].1, &data);
                // An empty name is none.
                prop_assert_eq!(&again[0].0, &name.clone().filter(|name| !name.is_empty()));
            }
        }
    }
}
