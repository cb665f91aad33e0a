use std::fs;

use http::HeaderValue;

use super::*;

const TOKEN: &str = "a-token-of-sixteen-and-more";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
    });
    pairs.collect()
}

async fn by_loopback(peer: &str, pairs: &[(&'static str, &str)]) -> Result<(), Denied> {
    let peer = SocketAddr::new(peer.parse().expect("an address"), 40_000);
    Access::Loopback.check(peer, &headers(pairs)).await
}

#[tokio::test]
async fn without_a_token_only_this_machine_is_answered() {
    for (peer, host) in [
        ("127.0.0.1", "127.0.0.1:9090"),
        ("127.0.0.1", "localhost:19090"),
        ("::1", "[::1]:9090"),
        ("::ffff:127.0.0.1", "LOCALHOST"),
    ] {
        assert_eq!(by_loopback(peer, &[("host", host)]).await, Ok(()), "{peer} {host}");
    }
    for peer in ["10.0.0.7", "127.0.0.6", "192.0.2.1", "fe80::1", "::ffff:10.0.0.7"] {
        let answer = by_loopback(peer, &[("host", "localhost")]).await;
        assert_eq!(answer, Err(Denied::Elsewhere), "{peer}");
    }
}

#[tokio::test]
async fn neither_web_pages_nor_proxies_on_this_machine_are() {
    let local = ("host", "localhost:9090");
    for pairs in [
        &[][..],
        &[("host", "rebound.example.com:9090")],
        &[("host", "localhost.example.com")],
        &[local, ("origin", "https://example.com")],
        &[local, ("sec-fetch-site", "cross-site")],
        &[local, ("sec-fetch-site", "same-site")],
        &[local, ("x-forwarded-for", "10.0.0.7")],
        &[local, ("forwarded", "for=10.0.0.7")],
        &[local, ("via", "1.1 proxy")],
    ] {
        assert_eq!(by_loopback("127.0.0.1", pairs).await, Err(Denied::OnBehalf), "{pairs:?}");
    }
    let typed = [local, ("sec-fetch-site", "none")];
    assert_eq!(by_loopback("127.0.0.1", &typed).await, Ok(()), "typed in by a person");
}

#[tokio::test]
async fn a_token_is_asked_of_everybody_and_read_again_when_it_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    fs::write(&path, format!("{TOKEN}\n")).expect("a file");
    let access = Access::Token(TokenFile::open(&path).expect("a token"));
    let shown = async |value: &str| {
        let peer = "10.0.0.7:1".parse().expect("an address");
        access.check(peer, &headers(&[("authorization", value)])).await
    };
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(shown(&bearer).await, Ok(()));
    assert_eq!(shown(&format!("bearer {TOKEN}")).await, Ok(()));
    for wrong in ["", "Bearer", "Bearer ", TOKEN, &bearer[..bearer.len() - 1], "Basic eA=="] {
        assert_eq!(shown(wrong).await, Err(Denied::Token), "{wrong}");
    }
    let here = "127.0.0.1:1".parse().expect("an address");
    let local = headers(&[("host", "localhost")]);
    assert_eq!(access.check(here, &local).await, Err(Denied::Token));

    fs::write(&path, "another-token-of-sixteen-and-more").expect("a file");
    assert_eq!(shown(&bearer).await, Err(Denied::Token), "it was replaced");
    assert_eq!(shown("Bearer another-token-of-sixteen-and-more").await, Ok(()));
    fs::remove_file(&path).expect("it is there");
    assert_eq!(shown("Bearer another-token-of-sixteen-and-more").await, Ok(()), "the last one");
    assert!(!format!("{access:?}").contains("another"), "{access:?}");
}

#[test]
fn what_is_too_easy_to_guess_is_no_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    assert!(matches!(TokenFile::open(&path), Err(TokenError::Read { .. })));
    for short in ["", "\n", "hunter2", "               \n"] {
        fs::write(&path, short).expect("a file");
        let error = TokenFile::open(&path).expect_err("too short").to_string();
        assert!(error.contains("at least 16") && !error.contains("hunter2"), "{error}");
    }
}
