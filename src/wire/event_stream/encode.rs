//! Frames of our own.

use bytes::Bytes;

use super::headers::STRING;
use super::{PRELUDE, TRAILER};

/// An event whose payload is JSON.
pub fn encode_event(name: &str, data: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    put_event(&mut frame, name, data);
    frame.into()
}

/// An exception whose payload is JSON: the API's own kind of error inside a stream.
pub fn encode_exception(name: &str, data: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    put_frame(&mut frame, ":exception-type", name, "exception", data);
    frame.into()
}

/// Appends an event whose payload is JSON.
pub fn put_event(out: &mut Vec<u8>, name: &str, data: &[u8]) {
    put_frame(out, ":event-type", name, "event", data);
}

fn put_frame(out: &mut Vec<u8>, name_header: &str, name: &str, kind: &str, data: &[u8]) {
    let headers =
        [(name_header, name), (":content-type", "application/json"), (":message-type", kind)];
    let length = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let start = out.len();
    out.reserve(PRELUDE + length + data.len() + TRAILER);
    put_length(out, PRELUDE + length + data.len() + TRAILER);
    put_length(out, length);
    put_checksum(out, start);
    for (name, value) in headers {
        // The names are those above, and a value is the name of an event: neither is long.
        out.push(u8::try_from(name.len()).expect("a header's name has less than 256 bytes"));
        out.extend_from_slice(name.as_bytes());
        out.push(STRING);
        let length = u16::try_from(value.len()).expect("a header has less than 64 KiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(data);
    put_checksum(out, start);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    // What is sent was bounded far below 4 GiB when it was received.
    let length = u32::try_from(length).expect("an event has less than 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
}

/// The checksum of the frame as far as it is written.
fn put_checksum(out: &mut Vec<u8>, start: usize) {
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_be_bytes());
}
