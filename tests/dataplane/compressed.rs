//! Request bodies in `content-encoding`.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{Method, StatusCode};
use pilothouse::simulate::Simulator;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::answer::Answer;
use crate::routes::{Api, route, route_of, simulator};
use crate::support::{KEY, Options, Rig};

const BODY: &str = r#"{"model":"chat","messages":[{"role":"user","content":"hello"}]}"#;
/// The same by `brotli`.
const BROTLI: &str = "Gz4AoIzTFfMjhHUvRbb2Woelqy94yEoJ2o0ggo2xdUQk0hAwYiXvtExgigDGCeY7";
/// 4 MiB of `a` by `brotli`.
const BROTLI_BOMB: &str = "m///P/glwuKxQCD3/gc=";

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    compress_to_vec(data, CompressionLevel::Fastest)
}

fn brotli(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).unwrap()
}

async fn rig(options: Options) -> (Rig, Simulator) {
    let alpha = simulator("alpha").await;
    (Rig::start_with(&route("chat", &[("alpha", &alpha, "m")], ""), options).await, alpha)
}

async fn send(rig: &Rig, coding: &str, body: Vec<u8>) -> Answer {
    let headers = [("x-api-key", KEY), ("content-encoding", coding)];
    rig.send(Method::POST, "/v1/chat/completions", &headers, body).await
}

#[tokio::test]
async fn a_compressed_body_goes_on_as_it_was_before_and_its_encoding_does_not() {
    let (rig, alpha) = rig(Options::default()).await;
    let bodies = [
        ("gzip", gzip(BODY.as_bytes())),
        ("deflate", zlib(BODY.as_bytes())),
        ("br", brotli(BROTLI)),
        ("zstd", zstd(BODY.as_bytes())),
    ];
    for (count, (coding, body)) in bodies.into_iter().enumerate() {
        let answer = send(&rig, coding, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{coding}: {answer:?}");
        let sent = &alpha.requests()[count];
        assert_eq!(sent.body, BODY.replace("chat", "m"), "{coding}");
        assert!(!sent.headers.contains_key("content-encoding"), "{coding}");
    }
    rig.wait_for("the memory to come back", || rig.metrics.buffered_bytes.get() == 0).await;
}

#[tokio::test]
async fn a_compressed_body_is_translated_like_any_other() {
    let alpha = simulator("alpha").await;
    let target = Api::Messages.target("alpha", &alpha.url(), "");
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    let answer = send(&rig, "zstd", zstd(BODY.as_bytes())).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(alpha.requests()[0].path(), "/v1/messages");
}

#[tokio::test]
async fn the_limit_is_for_what_a_body_unpacks_to() {
    let (rig, alpha) = rig(Options { max_body: 1 << 20, ..Options::default() }).await;
    let long = BODY.replace("hello", &"x".repeat(2 << 20));
    for (coding, bomb) in [
        ("gzip", gzip(long.as_bytes())),
        ("deflate", zlib(long.as_bytes())),
        ("br", brotli(BROTLI_BOMB)),
        ("zstd", zstd(long.as_bytes())),
    ] {
        assert!(bomb.len() < 16 << 10, "{coding}: {}", bomb.len());
        let answer = send(&rig, coding, bomb).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{coding}: {answer:?}");
        assert!(answer.text().contains("--max-body-size"), "{answer:?}");
    }
    assert_eq!(alpha.count(), 0);
    rig.wait_for("the memory to come back", || rig.metrics.buffered_bytes.get() == 0).await;
}

#[tokio::test]
async fn unpacked_bytes_are_taken_from_the_memory_of_all_bodies() {
    let options = Options { max_body: 8 << 20, max_buffered: 1 << 20, ..Options::default() };
    let (rig, alpha) = rig(options).await;
    let long = BODY.replace("hello", &"x".repeat(4 << 20));
    let answer = send(&rig, "gzip", gzip(long.as_bytes())).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], "overloaded");
    assert_eq!(alpha.count(), 0);
    rig.wait_for("the memory to come back", || rig.metrics.buffered_bytes.get() == 0).await;
}

#[tokio::test]
async fn an_unknown_encoding_is_refused_with_those_that_are_understood() {
    let (rig, alpha) = rig(Options::default()).await;
    for coding in ["compress", "gzip, br", "snappy"] {
        let answer = send(&rig, coding, gzip(BODY.as_bytes())).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{answer:?}");
        assert_eq!(answer.header("accept-encoding"), "gzip, deflate, br, zstd");
        assert_eq!(answer.headers["x-should-retry"], "false");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("zstd") && message.contains(coding), "{message}");
    }
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn a_body_that_is_not_what_its_encoding_says_is_malformed() {
    let (rig, alpha) = rig(Options::default()).await;
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let answer = send(&rig, coding, BODY.into()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{coding}: {answer:?}");
        assert!(answer.text().contains(coding), "{answer:?}");
    }
    assert_eq!(alpha.count(), 0);
}
