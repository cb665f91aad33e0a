use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

/// Frames as botocore and the SDKs write them.
const EMPTY: &str = "000000100000000005c248eb7d98c8ff";
const START: &str = "000000760000005296d5fade0b3a6576656e742d7479706507000c6d6573736167655374617274\
    0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065\
    0700056576656e747b22726f6c65223a22617373697374616e74227d6fa8c599";
const THROTTLED: &str = "0000008300000061a9d144e50f3a657863657074696f6e2d74797065070013746872\
    6f74746c696e67457863657074696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a73\
    6f6e0d3a6d6573736167652d74797065070009657863657074696f6e7b226d657373616765223a22736c6f77227d93\
    50311c";

fn bytes(hex: &str) -> Bytes {
    let digits = hex.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).expect("ASCII"));
    digits.map(|two| u8::from_str_radix(two, 16).expect("hex")).collect()
}

fn read(chunks: impl IntoIterator<Item = Bytes>) -> Result<Vec<Frame>, BrokenStream> {
    let mut parser = EventStreamParser::new(LIMIT);
    let mut frames = Vec::new();
    for chunk in chunks {
        parser.feed(chunk);
        while let Some(frame) = parser.next_frame()? {
            frames.push(frame);
        }
    }
    parser.finish().map(|()| frames)
}

#[test]
fn the_vendors_frames_are_read_and_written_byte_for_byte() {
    let all: Vec<u8> = [EMPTY, START, THROTTLED].iter().flat_map(|hex| bytes(hex)).collect();
    let frames = read([all.into()]).expect("valid");
    let told: Vec<_> =
        frames.iter().map(|frame| (frame.kind(), frame.event(), frame.data())).collect();
    let slow: &[u8] = br#"{"message":"slow"}"#;
    let expected = [
        (MessageKind::Event, None, &b""[..]),
        (MessageKind::Event, Some("messageStart"), br#"{"role":"assistant"}"#),
        (MessageKind::Exception, Some("throttlingException"), slow),
    ];
    assert_eq!(told, expected);
    assert_eq!(encode_event("messageStart", br#"{"role":"assistant"}"#), bytes(START));
    assert_eq!(encode_exception("throttlingException", slow), bytes(THROTTLED));
}

#[test]
fn vector_56_a_frame_is_waited_for_wherever_it_is_split() {
    let whole = [bytes(START), bytes(THROTTLED)].concat();
    for at in 0..whole.len() {
        let chunks = [&whole[..at], &whole[at..]].map(Bytes::copy_from_slice);
        let frames = read(chunks).expect("valid");
        let joined: Vec<u8> = frames.iter().flat_map(|frame| frame.raw().to_vec()).collect();
        assert_eq!((frames.len(), joined), (2, whole.clone()), "split at {at}");
    }
    let singly = whole.iter().map(|byte| Bytes::copy_from_slice(&[*byte]));
    assert_eq!(read(singly).expect("valid").len(), 2);
}

#[test]
fn a_frame_inside_a_chunk_is_a_slice_of_it_and_only_a_rest_is_held() {
    let chunk = Bytes::from([&bytes(START)[..], &bytes(START)[..30]].concat());
    let mut parser = EventStreamParser::new(LIMIT);
    parser.feed(chunk.clone());
    let frame = parser.next_frame().expect("valid").expect("whole");
    assert_eq!(frame.raw().as_ptr(), chunk.as_ptr());
    assert!(parser.next_frame().expect("valid").is_none());
    assert_eq!(parser.held(), 30);
    assert_eq!(parser.finish(), Err(BrokenStream::Malformed("it ends inside a frame")));
}

#[test]
fn vector_57_what_is_no_event_stream_is_refused_at_its_first_bytes() {
    let mut parser = EventStreamParser::new(LIMIT);
    parser.feed(Bytes::from_static(br#"{"message":"The model is not ready"}"#));
    let error = parser.next_frame().expect_err("JSON");
    assert!(matches!(error, BrokenStream::Malformed(_)));
    parser.feed(bytes(START));
    assert_eq!(parser.next_frame().expect_err("it stays broken"), error);
    assert_eq!(parser.held(), 0);
}

#[test]
fn a_frame_over_the_limit_is_refused_before_it_comes() {
    let frame = encode_event("contentBlockDelta", &[b'x'; 2000]);
    let mut parser = EventStreamParser::new(1000);
    parser.feed(frame.slice(..PRELUDE));
    assert_eq!(parser.next_frame().expect_err("long"), BrokenStream::TooLarge { limit: 1000 });
    let mut parser = EventStreamParser::new(frame.len());
    parser.feed(frame);
    assert!(parser.next_frame().expect("just as long as the limit").is_some());
}

#[test]
fn a_changed_byte_is_noticed() {
    for at in 0..bytes(START).len() {
        let mut frame = bytes(START).to_vec();
        frame[at] ^= 1;
        assert!(read([Bytes::from(frame)]).is_err(), "byte {at}");
    }
}

/// A frame with these headers, as bytes, and no payload.
fn with_headers(headers: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    let [total, length] = [headers.len() + 16, headers.len()].map(|n| u32::try_from(n).unwrap());
    frame.extend(total.to_be_bytes());
    frame.extend(length.to_be_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.into()
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let mut headers = Vec::new();
    for (kind, length) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
        headers.extend([1, b'n', kind]);
        headers.extend(vec![0; length]);
    }
    headers.extend([1, b'n', 6, 0, 3, 1, 2, 3]);
    for (name, value) in
        [(":message-type", "error"), (":error-code", "Oops"), (":error-message", "why")]
    {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend(name.as_bytes());
        headers.extend([7, 0, u8::try_from(value.len()).unwrap()]);
        headers.extend(value.as_bytes());
    }
    let frame = &read([with_headers(&headers)]).expect("valid")[0];
    assert_eq!(
        (frame.kind(), frame.event(), frame.data()),
        (MessageKind::Error, Some("Oops"), &b"why"[..])
    );
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let broken: [&[u8]; 5] = [&[9], &[1, b'n'], &[1, b'n', 4, 0], &[1, b'n', 7, 0, 9, 1], &[0, 77]];
    for headers in broken {
        assert!(read([with_headers(headers)]).is_err(), "{headers:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(chunks: Vec<Vec<u8>>) {
        let _ = read(chunks.into_iter().map(Bytes::from));
    }

    #[test]
    fn any_headers_are_read_or_refused(headers: Vec<u8>) {
        let _ = read([with_headers(&headers)]);
    }

    #[test]
    fn what_is_written_is_read_in_any_pieces(
        events in prop::collection::vec(("[a-zA-Z]{1,20}", prop::collection::vec(any::<u8>(), 0..200)), 0..5),
        piece in 1usize..50,
    ) {
        let mut sent = Vec::new();
        for (name, data) in &events {
            put_event(&mut sent, name, data);
        }
        let frames = read(sent.chunks(piece).map(Bytes::copy_from_slice)).expect("our own");
        let back: Vec<_> = frames
            .iter()
            .map(|frame| (frame.event().unwrap_or_default().to_owned(), frame.data().to_vec()))
            .collect();
        prop_assert_eq!(back, events);
    }
}
