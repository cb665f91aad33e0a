//! Zstandard (RFC 8878), frame by frame.

use std::error::Error;
use std::io::{self, ErrorKind, Read};

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// The largest window in which content may be sent over HTTP (RFC 9659, section 3).
const MAX_WINDOW: u64 = 8 << 20;
/// What a frame begins with.
const MAGIC: u32 = 0xFD2F_B528;
/// What a frame begins with that is to be skipped, but for its last four bits.
const SKIPPABLE: u32 = 0x184D_2A50;

/// Reads what the frames of a body hold, one after another.
pub(super) struct ZstdReader {
    frame: Option<StreamingDecoder<Reader<Bytes>, FrameDecoder>>,
    /// What comes after that frame.
    rest: Bytes,
    /// What every frame's window has to fit into.
    window: u64,
}

impl ZstdReader {
    pub(super) fn new(packed: Bytes) -> Self {
        let window = largest_window(&packed);
        Self { frame: None, rest: packed, window }
    }

    /// Begins the next frame; `None` at the end.
    fn next_frame(&mut self) -> io::Result<Option<StreamingDecoder<Reader<Bytes>, FrameDecoder>>> {
        loop {
            let Some(head) = Head::read(&self.rest)? else { return Ok(None) };
            match head {
                Head::Skip(length) => {
                    if length > self.rest.len() {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                    self.rest.advance(length);
                }
                Head::Frame { window } if window > MAX_WINDOW => {
                    return Err(invalid(
                        "its window is larger than the 8 MiB that HTTP allows (RFC 9659)",
                    ));
                }
                Head::Frame { window } if window > self.window => {
                    return Err(invalid("the window of a frame is larger than the first one's"));
                }
                Head::Frame { .. } => {
                    let packed = std::mem::take(&mut self.rest).reader();
                    return StreamingDecoder::new(packed).map(Some).map_err(invalid);
                }
            }
        }
    }
}

impl Read for ZstdReader {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.next_frame()? {
                    Some(frame) => frame,
                    None => return Ok(0),
                },
            };
            let read = frame.read(room)?;
            if read > 0 || room.is_empty() {
                self.frame = Some(frame);
                return Ok(read);
            }
            let (said, found) =
                (frame.decoder.get_checksum_from_data(), frame.decoder.get_calculated_checksum());
            if said.is_some_and(|said| Some(said) != found) {
                return Err(invalid("its check sum is wrong"));
            }
            self.rest = frame.into_inner().into_inner();
        }
    }
}

fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// How a frame begins (RFC 8878, section 3.1).
enum Head {
    /// So many bytes that mean nothing here, these included.
    Skip(usize),
    Frame {
        window: u64,
    },
}

impl Head {
    /// Reads the head of the frame that begins here; `None` where nothing is left.
    fn read(packed: &[u8]) -> io::Result<Option<Self>> {
        if packed.is_empty() {
            return Ok(None);
        }
        let number = |at: usize, bytes: usize| {
            let field = packed.get(at..at + bytes).ok_or(ErrorKind::UnexpectedEof)?;
            let mut number = [0; 8];
            number[..bytes].copy_from_slice(field);
            Ok::<_, io::Error>(u64::from_le_bytes(number))
        };
        let magic = number(0, 4)?;
        if magic & !0xf == u64::from(SKIPPABLE) {
            let length = usize::try_from(number(4, 4)?).unwrap_or(usize::MAX);
            return Ok(Some(Self::Skip(length.saturating_add(8))));
        }
        if magic != u64::from(MAGIC) {
            return Err(invalid("it does not begin as a Zstandard frame does"));
        }
        let descriptor = number(4, 1)?;
        let single_segment = descriptor & 0x20 != 0;
        if !single_segment {
            let field = number(5, 1)?;
            let base = 1_u64 << (10 + (field >> 3));
            return Ok(Some(Self::Frame { window: base + base / 8 * (field & 7) }));
        }
        // All of the content is the window.
        let dictionary = [0, 1, 2, 4][usize::try_from(descriptor & 3).unwrap_or(0)];
        let at = 5 + dictionary;
        let window = match descriptor >> 6 {
            0 => number(at, 1)?,
            1 => number(at, 2)? + 256,
            2 => number(at, 4)?,
            _ => number(at, 8)?,
        };
        Ok(Some(Self::Frame { window }))
    }
}

/// The largest window that is taken: the first frame's. The frames of one encoder are alike, and
/// memory is set aside for that one.
pub(super) fn largest_window(packed: &[u8]) -> u64 {
    match Head::read(packed) {
        Ok(Some(Head::Frame { window })) => window.min(MAX_WINDOW),
        Ok(Some(Head::Skip(_))) => MAX_WINDOW,
        Ok(None) | Err(_) => 0,
    }
}
