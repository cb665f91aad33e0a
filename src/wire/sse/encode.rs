//! Frames of our own.

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr2;

/// A comment, which every reader of events skips: it only shows that the stream is alive.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// An event. Data with line breaks becomes several `data` lines; a name is cut at its first line
/// break, since nothing may break out of its line.
pub fn encode_event(name: Option<&str>, data: &[u8]) -> Bytes {
    // `event: `, `data: ` and the line ends; more lines of data make it grow.
    let mut frame = BytesMut::with_capacity(data.len() + name.map_or(0, str::len) + 18);
    if let Some(name) = name {
        frame.put_slice(b"event: ");
        frame.put_slice(first_line(name.as_bytes()));
        frame.put_u8(b'\n');
    }
    put_lines(&mut frame, data);
    frame.put_u8(b'\n');
    frame.freeze()
}

fn first_line(text: &[u8]) -> &[u8] {
    memchr2(b'\n', b'\r', text).map_or(text, |end| &text[..end])
}

fn put_lines(frame: &mut BytesMut, mut text: &[u8]) {
    loop {
        let line = first_line(text);
        frame.put_slice(b"data: ");
        frame.put_slice(line);
        frame.put_u8(b'\n');
        let rest = &text[line.len()..];
        text = match rest {
            [] => return,
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
        };
    }
}
