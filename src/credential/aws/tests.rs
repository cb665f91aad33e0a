//! Signatures against vectors that botocore computed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderValue, Request};

use super::sign::{Scope, sign};
use super::*;
use crate::credential::Fetched;

/// 2026-11-20T12:00:00Z.
const NOON: Duration = Duration::from_secs(1_795_176_000);
const HOST: &str = "bedrock-runtime.us-east-1.amazonaws.com";

fn key(session_token: Option<&str>) -> Credentials {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    Credentials::new("AKIDEXAMPLE", secret, session_token.map(Into::into), None, "test")
}

fn request(target: &str) -> Request<Bytes> {
    let body = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
    let mut request = Request::post(target).body(Bytes::from(body)).expect("valid");
    let headers = request.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    // What stands between may change these.
    headers.insert("user-agent", HeaderValue::from_static("somebody"));
    headers.insert("accept-encoding", HeaderValue::from_static("identity"));
    request
}

fn signed(target: &str, session_token: Option<&str>) -> Request<Bytes> {
    let mut request = request(target);
    let outgoing = Outgoing { authority: HOST, service: "bedrock", request: &mut request };
    let scope = Scope { region: "us-east-1", service: "bedrock" };
    sign(outgoing, &key(session_token), scope, SystemTime::UNIX_EPOCH + NOON).expect("signed");
    request
}

fn text<'r>(request: &'r Request<Bytes>, name: &str) -> &'r str {
    request.headers()[name].to_str().expect("text")
}

#[test]
fn signatures_are_the_ones_that_botocore_makes() {
    for (target, signature) in [
        (
            "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
            "88bd525d1f81f81100f8786c2eb060934e5214a11240c3298629665fe72e623b",
        ),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile\
             %2Fabc123/converse-stream",
            "0471b189dbc1816642157fc3c246147ef8e554c9c4a896562da85af7dcfae40b",
        ),
    ] {
        let request = signed(target, None);
        assert_eq!(text(&request, "x-amz-date"), "20261120T120000Z");
        assert_eq!(
            text(&request, "authorization"),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/us-east-1/bedrock/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
            )
        );
        assert_eq!(request.uri(), target, "the request itself stays as it is");
        assert!(request.headers()["authorization"].is_sensitive());
    }
}

#[test]
fn a_token_is_covered_and_hidden() {
    let request = signed("/model/m/converse", Some("s3ssion"));
    assert_eq!(text(&request, "x-amz-security-token"), "s3ssion");
    let names = "content-type;host;x-amz-date;x-amz-security-token";
    assert!(text(&request, "authorization").contains(&format!("SignedHeaders={names},")));
    assert!(!format!("{request:?}").contains("s3ssion"), "{request:?}");
}

#[test]
fn what_was_signed_before_is_signed_anew() {
    let first = signed("/model/m/converse", Some("old"));
    let mut again = first.clone();
    let outgoing = Outgoing { authority: HOST, service: "bedrock", request: &mut again };
    let scope = Scope { region: "us-east-1", service: "bedrock" };
    sign(outgoing, &key(None), scope, SystemTime::UNIX_EPOCH + NOON).expect("signed");
    assert!(!again.headers().contains_key("x-amz-security-token"));
    assert_eq!(again.headers(), signed("/model/m/converse", None).headers());
}

#[test]
fn a_key_that_no_header_can_hold_signs_nothing() {
    let mut request = request("/model/m/converse");
    let outgoing = Outgoing { authority: HOST, service: "bedrock", request: &mut request };
    let scope = Scope { region: "us-east-1", service: "bedrock" };
    let key = Credentials::new("a\nb", "secret", None, None, "test");
    let error = sign(outgoing, &key, scope, SystemTime::now()).expect_err("unsignable");
    assert!(matches!(error, IdentityError::Unsignable(_)), "{error}");
}

fn scope_of(region: Option<&str>, authority: &str) -> Result<String, IdentityError> {
    let key = AccessKey { id: "AKID", secret: "secret", session_token: None };
    let aws = Aws::new(region.map(Into::into), Some(key), None);
    let mut request = request("/model/m/converse");
    // A given key is waited for by nobody.
    aws.prove(Outgoing { authority, service: "bedrock", request: &mut request })
        .now_or_never()
        .expect("at once")?;
    let scope = text(&request, "authorization").split('/').skip(2).take(2);
    Ok(scope.collect::<Vec<_>>().join("/"))
}

#[test]
fn region_and_service_are_the_ones_said_or_the_hosts() {
    let host = "bedrock-runtime.eu-west-1.amazonaws.com";
    assert_eq!(scope_of(None, host).as_deref(), Ok("eu-west-1/bedrock"));
    assert_eq!(scope_of(None, &format!("{host}:8443")).as_deref(), Ok("eu-west-1/bedrock"));
    let mantle = "bedrock-mantle.eu-west-1.api.aws";
    assert_eq!(scope_of(None, mantle).as_deref(), Ok("eu-west-1/bedrock-mantle"));
    assert_eq!(scope_of(Some("us-east-2"), host).as_deref(), Ok("us-east-2/bedrock"));
    assert_eq!(scope_of(Some("us-east-2"), "127.0.0.1:80").as_deref(), Ok("us-east-2/bedrock"));
    assert!(matches!(scope_of(None, "127.0.0.1:80"), Err(IdentityError::Unsignable(_))));
}

#[test]
fn an_identity_tells_nothing_and_a_given_key_is_not_renewed() {
    let key = AccessKey { id: "AKID", secret: "s3cret", session_token: Some("t0ken") };
    let aws = Aws::new(None, Some(key), None);
    let shown = format!("{aws:?}");
    assert!(!shown.contains("AKID") && !shown.contains("s3cret") && !shown.contains("t0ken"));
    assert!(!aws.refused(), "there is no other key");
}

/// An identity whose issuer grants so many keys, each for an hour, and is away then.
fn granted(limit: usize) -> Aws {
    let count = Arc::new(AtomicUsize::new(0));
    let renewal = Renewal::new(move || {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            if number > limit {
                let reason = "it is away".into();
                return Err(IdentityError::NotGranted { issuer: "a test", reason });
            }
            let value = Credentials::new(format!("AKID{number}"), "secret", None, None, "test");
            Ok(Fetched { value, lifetime: Some(Duration::from_secs(3600)) })
        }
    });
    let issuer = Arc::new(Issuer::new(None, None, None));
    Aws { region: None, keys: Keys::Granted { issuer, renewal } }
}

/// The id of the key that signs a request now.
async fn signer(aws: &Aws) -> Result<String, IdentityError> {
    let mut request = request("/model/m/converse");
    let outgoing = Outgoing { authority: HOST, service: "bedrock", request: &mut request };
    aws.prove(outgoing).await?;
    Ok(text(&request, "authorization").split(['=', '/']).nth(1).unwrap_or_default().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_granted_key_is_used_while_it_is_valid_although_the_issuer_is_away() {
    let aws = granted(1);
    assert_eq!(signer(&aws).await.as_deref(), Ok("AKID1"));
    // It is to be renewed by now.
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(58 * 60 / 3)).await;
        assert_eq!(signer(&aws).await.as_deref(), Ok("AKID1"));
    }
    tokio::time::advance(Duration::from_secs(3 * 60)).await;
    assert!(matches!(signer(&aws).await, Err(IdentityError::NotGranted { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_granted_anew_unless_it_was_just_now() {
    let aws = granted(2);
    assert_eq!(signer(&aws).await.as_deref(), Ok("AKID1"));
    assert!(!aws.refused(), "the next would be no better");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(aws.refused());
    assert_eq!(signer(&aws).await.as_deref(), Ok("AKID2"));
}
