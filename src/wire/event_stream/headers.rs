//! The headers of a frame, as far as they matter here.

use std::ops::Range;

use super::MessageKind;

/// Where the headers of a frame are, counted from the frame's first byte.
#[derive(Debug, Clone)]
pub(super) struct Headers {
    pub(super) kind: MessageKind,
    /// `:event-type`, `:exception-type` or `:error-code`.
    pub(super) name: Option<Range<usize>>,
    /// `:error-message`.
    pub(super) error_message: Option<Range<usize>>,
}

impl Headers {
    /// Reads the headers at `place`; `None` if they do not fill it exactly.
    pub(super) fn read(frame: &[u8], place: Range<usize>) -> Option<Self> {
        // A frame without a type is taken for an event, as the vendor's SDKs do.
        let mut read = Self { kind: MessageKind::Event, name: None, error_message: None };
        let mut at = place.start;
        while at < place.end {
            let (name, value) = header(&frame[..place.end], &mut at)?;
            let Some(value) = value else { continue };
            match &frame[name] {
                b":message-type" => read.kind = kind(&frame[value]),
                b":event-type" | b":exception-type" | b":error-code" => read.name = Some(value),
                b":error-message" => read.error_message = Some(value),
                _ => {}
            }
        }
        Some(read)
    }
}

fn kind(message_type: &[u8]) -> MessageKind {
    match message_type {
        b"event" => MessageKind::Event,
        b"exception" => MessageKind::Exception,
        b"error" => MessageKind::Error,
        _ => MessageKind::Other,
    }
}

/// Where the header at `at` has its name and, if it is a string, its value. Moves `at` behind it.
fn header(frame: &[u8], at: &mut usize) -> Option<(Range<usize>, Option<Range<usize>>)> {
    let length = usize::from(*frame.get(*at)?);
    let name = *at + 1..*at + 1 + length;
    let kind = *frame.get(name.end)?;
    let start = name.end + 1;
    let counted = || {
        let length = frame.get(start..start + 2)?;
        Some(2 + usize::from(u16::from_be_bytes([length[0], length[1]])))
    };
    let length = match kind {
        // True and false are types of their own.
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        // A number and a time.
        5 | 8 => 8,
        // Bytes and text.
        6 | STRING => counted()?,
        // A UUID.
        9 => 16,
        _ => return None,
    };
    *at = start + length;
    frame.get(start..*at)?;
    Some((name, (kind == STRING).then(|| start + 2..*at)))
}

/// The type of a text.
pub(super) const STRING: u8 = 7;
