//! Frames of AWS's event streams, written once more: the gateway's own writer is what these are to
//! test.

/// An event.
pub(in crate::simulate) fn event(name: &str, payload: &[u8]) -> Vec<u8> {
    frame([(":event-type", name), TYPE, (":message-type", "event")], payload)
}

/// An error in the middle of a stream.
pub(in crate::simulate) fn exception(name: &str, payload: &[u8]) -> Vec<u8> {
    frame([(":exception-type", name), TYPE, (":message-type", "exception")], payload)
}

const TYPE: (&str, &str) = (":content-type", "application/json");

/// Both lengths and their checksum, and the checksum at the end.
const FIXED: usize = 16;

fn frame(headers: [(&str, &str); 3], payload: &[u8]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).expect("a frame has less than 4 GiB");
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).expect("names are short"));
        head.extend(name.as_bytes());
        // A string.
        head.push(7);
        head.extend(u16::try_from(value.len()).expect("values are short").to_be_bytes());
        head.extend(value.as_bytes());
    }
    let total = FIXED + head.len() + payload.len();
    let mut frame = Vec::with_capacity(total);
    frame.extend(number(total).to_be_bytes());
    frame.extend(number(head.len()).to_be_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(head);
    frame.extend(payload);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}
