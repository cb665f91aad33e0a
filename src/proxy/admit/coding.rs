//! Bodies that come compressed: unpacked on the way in, piece by piece, so that a small body which
//! unpacks to a huge one is refused at the limit and never held.

mod zstd;

use std::io::{self, ErrorKind, Read};

use brotli_decompressor::Decompressor;
use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::{TakenBody, full, too_large};
use crate::proxy::budget::Budget;
use crate::proxy::error::{ProxyError, Reason};
use zstd::ZstdReader;

/// What is unpacked at a time, after which other requests have their turn: some 50 µs of work.
const STEP: usize = 64 << 10;
/// The window of deflate (RFC 1951) and the decoder's state.
const DEFLATE_WINDOW: usize = 64 << 10;
/// What is read of the packed bytes at a time.
const BROTLI_INPUT: usize = 4 << 10;

/// How a body is compressed (RFC 9110, section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Coding {
    Gzip,
    /// The zlib format (RFC 1950); what some clients send under its name is bare deflate.
    Deflate,
    Brotli,
    /// With a window of at most 8 MiB (RFC 9659).
    Zstd,
}

impl Coding {
    /// Every name that is understood, as `accept-encoding` lists them.
    pub const ACCEPTED: &'static str = "gzip, deflate, br, zstd";

    fn parse(name: &str) -> Option<Self> {
        match &*name.to_ascii_lowercase() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Bytes that the decoder of this body keeps beside what it has unpacked.
    fn window(self, packed: &[u8]) -> usize {
        match self {
            Self::Gzip | Self::Deflate => DEFLATE_WINDOW,
            Self::Brotli => brotli_window(packed),
            Self::Zstd => usize::try_from(zstd::largest_window(packed)).unwrap_or(usize::MAX),
        }
    }

    fn reader(self, packed: Bytes) -> Box<dyn Read + Send> {
        match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed.reader())),
            Self::Deflate if is_zlib(&packed) => {
                Box::new(Deflated::Zlib(ZlibDecoder::new(packed.reader())))
            }
            Self::Deflate => Box::new(Deflated::Bare(DeflateDecoder::new(packed.reader()))),
            Self::Brotli => Box::new(Decompressor::new(packed.reader(), BROTLI_INPUT)),
            Self::Zstd => Box::new(ZstdReader::new(packed)),
        }
    }
}

/// Deflate, and nothing after it: other bytes often begin like a few blocks of it.
enum Deflated {
    Zlib(ZlibDecoder<Reader<Bytes>>),
    Bare(DeflateDecoder<Reader<Bytes>>),
}

impl Read for Deflated {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let (read, rest) = match self {
            Self::Zlib(decoder) => (decoder.read(room)?, decoder.get_ref()),
            Self::Bare(decoder) => (decoder.read(room)?, decoder.get_ref()),
        };
        if read == 0 && !room.is_empty() && rest.get_ref().has_remaining() {
            return Err(io::Error::new(ErrorKind::InvalidData, "something follows its end"));
        }
        Ok(read)
    }
}

/// How the head says that the body is compressed. A body that was compressed twice is nobody's.
pub(super) fn coding(headers: &HeaderMap) -> Result<Option<Coding>, ProxyError> {
    let mut found = None;
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("?").split(',').map(str::trim) {
            if name.is_empty() || name.eq_ignore_ascii_case("identity") {
                continue;
            }
            let coding = Coding::parse(name).filter(|_| found.is_none());
            found = Some(coding.ok_or_else(|| not_understood(headers))?);
        }
    }
    Ok(found)
}

fn not_understood(headers: &HeaderMap) -> ProxyError {
    let said: Vec<&str> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .map(|value| value.to_str().unwrap_or("?"))
        .collect();
    let message = format!(
        "request bodies in `content-encoding: {}` are not read: send one of {}, or no encoding",
        said.join(", "),
        Coding::ACCEPTED
    );
    ProxyError::new(Reason::UnsupportedMediaType, message).permanent().accepts(Coding::ACCEPTED)
}

/// Unpacks a body within the limit of bodies that come as they are.
pub(super) async fn unpack(
    coding: Coding,
    packed: TakenBody,
    max_body: usize,
    budget: &Budget,
) -> Result<TakenBody, ProxyError> {
    let TakenBody { bytes, reservation: _packed } = packed;
    let _window = budget.reserve(coding.window(&bytes)).map_err(full)?;
    let mut reservation = budget.reserve(0).map_err(full)?;
    let mut reader = coding.reader(bytes);
    let mut unpacked: Vec<u8> = Vec::new();
    loop {
        let filled = unpacked.len();
        // One byte more than is allowed, to see that there is more.
        let end = (filled + STEP).min(max_body + 1);
        if end > unpacked.capacity() {
            // Doubled, so that a long body is not copied a thousand times.
            let room = (2 * filled).min(max_body + 1).max(end);
            reservation.grow_to(room).map_err(full)?;
            unpacked.reserve_exact(room - filled);
        }
        unpacked.resize(end, 0);
        let read = read_some(&mut *reader, &mut unpacked[filled..])
            .map_err(|error| malformed(coding, &error))?;
        unpacked.truncate(filled + read);
        if read == 0 {
            break;
        }
        if unpacked.len() > max_body {
            return Err(too_large(max_body));
        }
        // A body may be megabytes of work, and the thread has other requests to serve.
        tokio::task::yield_now().await;
    }
    Ok(TakenBody { bytes: unpacked.into(), reservation })
}

fn read_some(reader: &mut dyn Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(room) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn malformed(coding: Coding, error: &io::Error) -> ProxyError {
    let message = format!(
        "the request body is not what its `content-encoding: {}` says: {error}",
        coding.as_str()
    );
    ProxyError::new(Reason::InvalidRequest, message).permanent()
}

/// Whether the bytes begin as zlib's format does: method 8, and a sum that fits (RFC 1950, section
/// 2.2). No block of bare deflate that an encoder writes begins so.
fn is_zlib(packed: &[u8]) -> bool {
    match packed {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// The window that the first bits of a brotli stream ask for (RFC 7932, section 9.1).
fn brotli_window(packed: &[u8]) -> usize {
    let first = packed.first().copied().unwrap_or(0);
    let bits = match (first & 1, (first >> 1) & 7, (first >> 4) & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        // The large windows that 1 stands for here are no part of the standard, and refused.
        (_, 0, n) => 8 + u32::from(n),
        (_, n, _) => 17 + u32::from(n),
    };
    1 << bits
}

#[cfg(test)]
mod tests;
