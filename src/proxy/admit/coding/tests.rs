//! Bodies that come compressed, at the limits of what they may unpack to.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::{HeaderValue, StatusCode};
use prometheus::IntGauge;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

const MIB: usize = 1 << 20;
/// 4 MiB of `a` (`brotli --quality=11 --lgwin=22`).
const BROTLI_4_MIB: &str = "m///P/glwuKxQCD3/gc=";

fn budget(limit: usize) -> Budget {
    Budget::new(limit, IntGauge::new("held", "held").expect("a name"))
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(data: &[u8]) -> Vec<u8> {
    compress_to_vec(data, CompressionLevel::Fastest)
}

/// So many blocks that stand for 128 KiB of `a` each, in four bytes each.
fn zstd_bomb(blocks: usize, window: u8) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, window];
    for block in 1..=blocks {
        let head = u32::from(block == blocks) | 1 << 1 | (128 << 10) << 3;
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.push(b'a');
    }
    frame
}

/// A window of 128 KiB.
const SMALL_WINDOW: u8 = 7 << 3;

async fn unpacked(
    coding: Coding,
    packed: impl Into<Bytes>,
    max_body: usize,
    budget: &Budget,
) -> Result<Vec<u8>, ProxyError> {
    let bytes = packed.into();
    let reservation = budget.reserve(bytes.len()).expect("room");
    let taken = unpack(coding, TakenBody { bytes, reservation }, max_body, budget).await?;
    Ok(taken.bytes.to_vec())
}

#[tokio::test]
async fn every_coding_is_unpacked_to_the_very_limit_and_refused_one_byte_beyond() {
    let limit = 4 * MIB;
    let data = vec![b'a'; limit];
    let brotli = BASE64_STANDARD.decode(BROTLI_4_MIB).expect("base64");
    for (coding, packed) in [
        (Coding::Gzip, gzip(&data)),
        (Coding::Deflate, zlib(&data)),
        (Coding::Deflate, deflate(&data)),
        (Coding::Brotli, brotli),
        (Coding::Zstd, zstd(&data)),
        (Coding::Zstd, zstd_bomb(32, SMALL_WINDOW)),
    ] {
        let budget = budget(32 * MIB);
        let whole = unpacked(coding, packed.clone(), limit, &budget).await.expect("it fits");
        assert!(whole == data, "{coding:?}");
        let refused = unpacked(coding, packed, limit - 1, &budget).await.expect_err("too large");
        assert_eq!(refused.reason.status(), StatusCode::PAYLOAD_TOO_LARGE, "{coding:?}");
        budget.reserve(32 * MIB).expect("all of it was given back");
    }
}

#[tokio::test]
async fn what_a_bomb_takes_is_bounded_by_the_limit_of_one_body_and_of_all() {
    // A gigabyte in 32 KiB.
    let bomb = zstd_bomb(8192, SMALL_WINDOW);
    let refused = unpacked(Coding::Zstd, bomb.clone(), MIB, &budget(2 * MIB)).await;
    assert_eq!(refused.expect_err("too large").reason, Reason::RequestTooLarge);
    let refused = unpacked(Coding::Zstd, bomb, 64 * MIB, &budget(2 * MIB)).await;
    assert_eq!(refused.expect_err("no memory").reason, Reason::Overloaded);
}

#[tokio::test]
async fn several_members_or_frames_are_one_body() {
    let budget = budget(MIB);
    let two = [gzip(b"one "), gzip(b"two")].concat();
    assert_eq!(unpacked(Coding::Gzip, two, MIB, &budget).await.expect("two"), b"one two");
    let skipped = [0x51, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 9, 9];
    let frames = [&zstd(b"one ")[..], &skipped, &zstd(b"two")].concat();
    assert_eq!(unpacked(Coding::Zstd, frames, MIB, &budget).await.expect("two"), b"one two");
}

#[tokio::test]
async fn a_body_that_is_cut_or_something_else_is_malformed_and_never_half_a_body() {
    let data = br#"{"model":"m","messages":[{"role":"user","content":"hello, hello, hello"}]}"#;
    for (coding, packed) in [
        (Coding::Gzip, gzip(data)),
        (Coding::Deflate, zlib(data)),
        (Coding::Deflate, deflate(data)),
        (Coding::Brotli, BASE64_STANDARD.decode(BROTLI_4_MIB).expect("base64")),
        (Coding::Zstd, zstd(data)),
    ] {
        let cut = packed[..packed.len() - 5].to_vec();
        for wrong in [cut, data.to_vec()] {
            let refused = unpacked(coding, wrong, 8 * MIB, &budget(32 * MIB)).await;
            let error = refused.expect_err("malformed");
            assert_eq!(error.reason, Reason::InvalidRequest, "{coding:?}");
            assert!(error.message.contains(coding.as_str()), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn a_window_is_memory_too_and_none_is_larger_than_http_allows() {
    // 8 MiB, then 16.
    let (allowed, forbidden) = (13 << 3, 14 << 3);
    let fits = unpacked(Coding::Zstd, zstd_bomb(1, allowed), MIB, &budget(9 * MIB)).await;
    assert_eq!(fits.expect("8 MiB").len(), 128 << 10);
    let refused = unpacked(Coding::Zstd, zstd_bomb(1, allowed), MIB, &budget(MIB)).await;
    assert_eq!(refused.expect_err("no memory").reason, Reason::Overloaded);
    let refused = unpacked(Coding::Zstd, zstd_bomb(1, forbidden), MIB, &budget(64 * MIB)).await;
    let error = refused.expect_err("forbidden");
    assert!(error.message.contains("RFC 9659"), "{}", error.message);
    let later = [zstd_bomb(1, SMALL_WINDOW), zstd_bomb(1, allowed)].concat();
    let refused = unpacked(Coding::Zstd, later, MIB, &budget(64 * MIB)).await;
    assert_eq!(refused.expect_err("uncounted").reason, Reason::InvalidRequest);
}

#[test]
fn the_window_of_brotli_is_read_from_its_first_bits() {
    // 4 MiB and 64 KiB, as `--lgwin` says.
    assert_eq!(brotli_window(&BASE64_STANDARD.decode(BROTLI_4_MIB).expect("base64")), 4 * MIB);
    assert_eq!(brotli_window(&[0b0]), 64 << 10);
    assert_eq!(brotli_window(&[0b1111]), 16 * MIB);
    assert_eq!(brotli_window(&[0b010_0001]), 1 << 10);
    assert_eq!(brotli_window(&[0b000_0001]), 128 << 10);
}

#[test]
fn codings_are_known_by_their_names_alone() {
    let read = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        coding(&headers).map_err(|error| error.message)
    };
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(read(&["identity"]), Ok(None));
    assert_eq!(read(&["GZIP"]), Ok(Some(Coding::Gzip)));
    assert_eq!(read(&["x-gzip, identity"]), Ok(Some(Coding::Gzip)));
    assert_eq!(read(&["zstd"]), Ok(Some(Coding::Zstd)));
    for twice in [&["gzip, br"][..], &["gzip", "br"], &["compress"], &["gzip;q=1"]] {
        let message = read(twice).expect_err("not understood");
        assert!(message.contains(Coding::ACCEPTED) && message.contains(twice[0]), "{message}");
    }
}
