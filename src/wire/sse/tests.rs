use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

type Event = (FrameKind, Option<String>, Vec<u8>);

fn told(frame: &Frame) -> Event {
    (frame.kind(), frame.event().map(str::to_owned), frame.data().to_vec())
}

/// Every whole frame, and what `finish` leaves.
fn read(chunks: impl IntoIterator<Item = Bytes>, limit: usize) -> (Vec<Frame>, Option<Frame>) {
    let mut parser = SseParser::new(limit);
    let mut frames = Vec::new();
    for chunk in chunks {
        parser.feed(chunk);
        while let Some(frame) = parser.next_frame().expect("within the limit") {
            frames.push(frame);
        }
    }
    (frames, parser.finish())
}

fn read_whole(text: &str) -> (Vec<Event>, Option<Event>) {
    let (frames, rest) = read([Bytes::copy_from_slice(text.as_bytes())], LIMIT);
    (frames.iter().map(told).collect(), rest.as_ref().map(told))
}

fn event(name: Option<&str>, data: &str) -> Event {
    (FrameKind::Event, name.map(str::to_owned), data.as_bytes().to_vec())
}

fn silent() -> Event {
    (FrameKind::Comment, None, Vec::new())
}

/// The grammar once more, written the slow way over the whole input.
fn reference(input: &[u8]) -> Vec<Event> {
    let input = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
    let mut lines = vec![Vec::new()];
    let mut bytes = input.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            bytes.next_if_eq(&b'\n');
        }
        match byte {
            b'\n' | b'\r' => lines.push(Vec::new()),
            byte => lines.last_mut().expect("never empty").push(byte),
        }
    }
    lines.pop();
    let mut events = Vec::new();
    let (mut name, mut data) = (None, Vec::<Vec<u8>>::new());
    for line in lines {
        if line.is_empty() {
            let kind = if data.is_empty() { FrameKind::Comment } else { FrameKind::Event };
            let name = name.take().and_then(|name| String::from_utf8(name).ok());
            let name = name.filter(|name| !name.is_empty());
            events.push((kind, name, std::mem::take(&mut data).join(&b'\n')));
            continue;
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let field = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value).to_vec();
        match field {
            b"data" => data.push(value),
            b"event" => name = Some(value),
            _ => {}
        }
    }
    events
}

#[test]
fn reads_what_providers_send() {
    let (events, rest) = read_whole(concat!(
        "event: message_start\ndata: {\"a\":1}\n\n",
        ": keep-alive\n\n",
        "data:[DONE]\r\n\r\n",
    ));
    let expected = [event(Some("message_start"), "{\"a\":1}"), silent(), event(None, "[DONE]")];
    assert_eq!((events.as_slice(), rest), (&expected[..], None));
}

#[test]
fn vector_55_an_event_cut_anywhere_is_one_event() {
    let text = Bytes::from_static(b"data: {\"choices\":[]}\n\n");
    for cut in 1..text.len() {
        let mut parser = SseParser::new(LIMIT);
        parser.feed(text.slice(..cut));
        assert!(parser.next_frame().expect("within the limit").is_none(), "cut at {cut}");
        parser.feed(text.slice(cut..));
        let frame = parser.next_frame().expect("within the limit").expect("a frame");
        assert_eq!(frame.data(), b"{\"choices\":[]}", "cut at {cut}");
        assert_eq!(frame.raw(), &text, "cut at {cut}");
    }
}

#[test]
fn vector_99_comments_crlf_and_data_without_a_space_are_read() {
    let text =
        ": OPENROUTER PROCESSING\r\n\r\ndata:{\"a\":1}\r\n\r\ndata:[DONE]\n\ndata: [DONE] \n\n";
    let (events, rest) = read_whole(text);
    let read = [silent(), event(None, "{\"a\":1}"), event(None, "[DONE]"), event(None, "[DONE] ")];
    assert_eq!((&*events, rest), (&read[..], None));
}

#[test]
fn follows_the_grammar_in_its_corners() {
    let cases: &[(&str, Event)] = &[
        ("data:  two spaces\n\n", event(None, " two spaces")),
        ("data\n\n", event(None, "")),
        ("data:\n\n", event(None, "")),
        ("data: a\ndata\ndata: b\n\n", event(None, "a\n\nb")),
        ("data: a\rdata: b\r\r", event(None, "a\nb")),
        ("\u{feff}data: a\n\n", event(None, "a")),
        ("event: a\nevent: b\ndata: x\n\n", event(Some("b"), "x")),
        ("event:\ndata: x\n\n", event(None, "x")),
        ("event: lonely\n\n", (FrameKind::Comment, Some("lonely".to_owned()), Vec::new())),
        ("id: 7\nretry: 10\nx: y\ndata: x\n\n", event(None, "x")),
        (" data: x\n\n", silent()),
        ("\n", silent()),
    ];
    for (text, expected) in cases {
        assert_eq!(read_whole(text), (vec![expected.clone()], None), "{text:?}");
    }
}

#[test]
fn a_mark_later_than_the_first_byte_is_text() {
    let (events, _) = read_whole("\n\u{feff}data: a\n\n");
    assert_eq!(events, [silent(), silent()]);
}

#[test]
fn finish_hands_out_what_has_no_blank_line() {
    for text in ["data: [DONE]\n", "data: [DONE]", "data: [DONE]\r"] {
        let (frames, rest) = read([Bytes::from_static(text.as_bytes())], LIMIT);
        let rest = rest.expect("something was left");
        assert!(frames.is_empty(), "{text:?}");
        assert_eq!((told(&rest), &rest.raw()[..]), (event(None, "[DONE]"), text.as_bytes()));
    }
}

#[test]
fn a_frame_inside_a_chunk_is_a_slice_of_it() {
    let chunk = Bytes::from_static(b"data: a\n\nevent: x\ndata: b\n\ndata: c");
    let (frames, _) = read([chunk.clone()], LIMIT);
    for frame in &frames {
        assert!(chunk.as_ptr_range().contains(&frame.raw().as_ptr()), "{frame:?}");
        assert!(chunk.as_ptr_range().contains(&frame.data_bytes().as_ptr()), "{frame:?}");
    }
    assert_eq!(frames.len(), 2);
}

#[test]
fn a_crlf_that_a_chunk_splits_is_one_line_end() {
    let (frames, rest) =
        read(["data: a\r", "\ndata: b\r\n\r", "\ndata: c\r\n\r", "\n"].map(Bytes::from), LIMIT);
    let events: Vec<_> = frames.iter().map(told).collect();
    assert_eq!(events, [event(None, "a\nb"), event(None, "c")]);
    assert_eq!(&frames[0].raw()[..], b"data: a\r\ndata: b\r\n\r");
    assert!(rest.is_none());
}

#[test]
fn a_frame_over_the_limit_ends_the_stream_for_good() {
    for chunks in
        [vec!["data: 0123456789\n\n"], vec!["data: 01234", "56789\n\n"], vec!["data: 01234567"]]
    {
        let mut parser = SseParser::new(12);
        let outcome = chunks.into_iter().find_map(|chunk| {
            parser.feed(chunk.into());
            parser.next_frame().err()
        });
        assert_eq!(outcome, Some(FrameTooLarge { limit: 12 }));
        parser.feed(Bytes::from_static(b"data: a\n\n"));
        assert!(parser.next_frame().is_err());
        assert!(parser.finish().is_none());
    }
}

#[test]
fn frames_not_asked_for_in_time_are_kept() {
    let mut parser = SseParser::new(LIMIT);
    parser.feed(Bytes::from_static(b"data: a\n\ndata: b"));
    parser.feed(Bytes::from_static(b"c\n\n"));
    let mut next = || parser.next_frame().map(|frame| frame.map(|frame| frame.data().to_vec()));
    assert_eq!(next(), Ok(Some(b"a".to_vec())));
    assert_eq!(next(), Ok(Some(b"bc".to_vec())));
    assert_eq!(next(), Ok(None));
}

#[test]
fn our_own_frames_read_back() {
    for data in ["", "x", "a\nb", "a\n", "\r\n\r\n", "a\rb"] {
        let frame = encode_event(Some("name"), data.as_bytes());
        let (frames, rest) = read([frame], LIMIT);
        let normal = data.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(frames.iter().map(told).collect::<Vec<_>>(), [event(Some("name"), &normal)]);
        assert!(rest.is_none());
    }
    assert_eq!(&encode_event(None, b"{}")[..], b"data: {}\n\n");
    assert_eq!(&encode_event(Some("a\ndata: b"), b"{}")[..], b"event: a\ndata: {}\n\n");
    let (frames, rest) = read([Bytes::from_static(KEEP_ALIVE)], LIMIT);
    assert_eq!(frames.iter().map(Frame::kind).collect::<Vec<_>>(), [FrameKind::Comment]);
    assert!(rest.is_none());
}

/// Mostly the bytes that mean something, so that random input reaches the corners.
fn stream_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"data".to_vec()),
        Just(b"data: ".to_vec()),
        Just(b"event:".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b": ".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn chunked(input: &[u8], mut cuts: Vec<prop::sample::Index>) -> Vec<Bytes> {
    let mut at: Vec<usize> = cuts.drain(..).map(|cut| cut.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| Bytes::copy_from_slice(&input[pair[0]..pair[1]])).collect()
}

proptest! {
    #[test]
    fn chunking_changes_nothing(
        input in stream_bytes(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let whole = read([Bytes::copy_from_slice(&input)], LIMIT);
        let cut = read(chunked(&input, cuts), LIMIT);
        let events = |frames: &[Frame]| frames.iter().map(told).collect::<Vec<_>>();
        prop_assert_eq!(events(&whole.0), reference(&input));
        prop_assert_eq!(events(&whole.0), events(&cut.0));
        prop_assert_eq!(whole.1.as_ref().map(told), cut.1.as_ref().map(told));

        let raw = whole.0.iter().chain(&whole.1).flat_map(|frame| frame.raw().to_vec());
        prop_assert_eq!(raw.collect::<Vec<_>>(), input, "whole chunks lose no byte");
    }

    #[test]
    fn arbitrary_bytes_and_limits_never_panic(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..8),
        limit in 0usize..64,
    ) {
        let mut parser = SseParser::new(limit);
        for chunk in chunks {
            parser.feed(chunk.into());
            while let Ok(Some(frame)) = parser.next_frame() {
                prop_assert!(frame.raw().len() <= limit);
            }
        }
        parser.finish();
    }
}
