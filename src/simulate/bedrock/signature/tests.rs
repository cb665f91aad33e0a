use http::Request;

use super::*;

/// 2026-11-20T12:00:00Z.
const NOON: Duration = Duration::from_secs(1_795_176_000);
const BODY: &[u8] = br#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
const CONVERSE: &str = "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse";
/// Of a request for that path, as botocore 1.44.5 makes it.
const SIGNATURE: &str = "88bd525d1f81f81100f8786c2eb060934e5214a11240c3298629665fe72e623b";

fn key() -> AccessKey {
    AccessKey::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}

fn head(path: &str, signature: &str) -> Parts {
    let credential = "AKIDEXAMPLE/20261120/us-east-1/bedrock/aws4_request";
    let headers = "content-type;host;x-amz-date";
    let authorization = format!(
        "{ALGORITHM} Credential={credential}, SignedHeaders={headers}, Signature={signature}"
    );
    let request = Request::post(path)
        .header("host", "bedrock-runtime.us-east-1.amazonaws.com")
        .header("content-type", "application/json")
        .header("x-amz-date", "20261120T120000Z")
        .header("authorization", authorization);
    request.body(()).expect("valid").into_parts().0
}

fn check(head: &Parts, body: &[u8], keys: &[AccessKey], now: Duration) -> String {
    let now = SystemTime::UNIX_EPOCH + now;
    check_signature(head, body, "bedrock", keys, now)
        .map_or_else(|why| why.to_string(), |()| String::new())
}

#[test]
fn what_botocore_signed_is_accepted() {
    let profile = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3A\
                   application-inference-profile%2Fabc123/converse-stream";
    let other = "0471b189dbc1816642157fc3c246147ef8e554c9c4a896562da85af7dcfae40b";
    for (path, signature) in [(CONVERSE, SIGNATURE), (profile, other)] {
        assert_eq!(check(&head(path, signature), BODY, &[key()], NOON), "");
    }
}

#[test]
fn what_was_changed_after_signing_is_refused() {
    let signed = head(CONVERSE, SIGNATURE);
    assert!(check(&signed, b"{}", &[key()], NOON).contains("does not match"), "body");
    let other = head("/model/other/converse", SIGNATURE);
    assert!(check(&other, BODY, &[key()], NOON).contains("does not match"), "path");
    let secret = AccessKey::new("AKIDEXAMPLE", "another");
    assert!(check(&signed, BODY, &[secret], NOON).contains("does not match"), "secret");
    let mut added = head(CONVERSE, SIGNATURE);
    added.headers.insert("x-amz-target", "x".parse().expect("a value"));
    assert!(check(&added, BODY, &[key()], NOON).contains("must be a 'SignedHeader'"));
}

#[test]
fn old_and_early_signatures_are_refused() {
    let signed = head(CONVERSE, SIGNATURE);
    let minute = Duration::from_secs(60);
    assert_eq!(check(&signed, BODY, &[key()], NOON + 4 * minute), "");
    assert!(check(&signed, BODY, &[key()], NOON + 6 * minute).contains("Signature expired"));
    assert!(check(&signed, BODY, &[key()], NOON - 6 * minute).contains("not yet current"));
}

#[test]
fn keys_are_known_with_their_token_while_they_last() {
    let signed = head(CONVERSE, SIGNATURE);
    assert!(check(&signed, BODY, &[], NOON).starts_with("UnrecognizedClientException"));
    let temporary = key().with_token("t");
    assert!(check(&signed, BODY, &[temporary], NOON).starts_with("UnrecognizedClientException"));
    assert!(check(&signed, BODY, &[key().expired()], NOON).starts_with("ExpiredTokenException"));
}
