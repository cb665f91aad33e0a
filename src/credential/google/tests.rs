use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::join_all;
use google_cloud_auth::credentials::{external_account, impersonated, mds, user_account};
use http::header::AUTHORIZATION;
use parking_lot::Mutex;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::yield_now;
use tokio::time::{advance, pause, resume, timeout};

use super::*;
use crate::credential::stub::{Stub, proved, unproved};

const ACCOUNT: &str = "nobody@nowhere.iam.gserviceaccount.com";
const USER_PROJECT: &str = "x-goog-user-project";
const HOST: &str = "aiplatform.googleapis.com";

fn account_key() -> Value {
    serde_json::from_str(&stand_in().expect("random numbers")).expect("JSON")
}

/// The header and the claims of a token, whose signature is checked by the key.
fn verified(token: &str, key: &Value) -> (Value, Value) {
    let pem = key["private_key"].as_str().expect("PEM");
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("PKCS #8");
    let pair = KeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("RSA");
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let decode = |text| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())
        .verify(signed.as_bytes(), &decode(signature))
        .expect("signed by the account's key");
    let (header, claims) = signed.split_once('.').expect("two parts");
    let read = |part| serde_json::from_slice(&decode(part)).expect("JSON");
    (read(header), read(claims))
}

/// The token that the identity proves requests with.
async fn token(identity: &Google) -> String {
    let headers = proved(identity, HOST).await.expect("a proof");
    assert!(headers[AUTHORIZATION].is_sensitive());
    let value = headers[AUTHORIZATION].to_str().expect("ASCII");
    value.strip_prefix("Bearer ").expect("a bearer token").to_owned()
}

/// Lets time pass for tokens.
async fn pass(seconds: u64) {
    pause();
    advance(Duration::from_secs(seconds)).await;
    resume();
}

/// Waits for what others do.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never {what}");
}

/// A person, who gets tokens of the stub.
fn person(stub: &Stub) -> Google {
    let file = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "s3cret",
        "refresh_token": "1//r", "quota_project_id": "paying", "token_uri": stub.origin,
    });
    Google::new("the person", move || user_account::Builder::new(file.clone()).build())
}

/// Grants `token-1`, `token-2`, ... for so many seconds each.
async fn counting(lifetime: u64) -> Stub {
    let granted = AtomicUsize::new(0);
    Stub::start(move |_| {
        let number = granted.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = json!({
            "access_token": format!("token-{number}"), "expires_in": lifetime,
            "token_type": "Bearer",
        });
        (200, answer.to_string())
    })
    .await
}

#[tokio::test]
async fn a_service_account_signs_its_tokens_itself() {
    let key = account_key();
    let identity = Google::of_key(ServiceAccountKey::parse(&key.to_string()).expect("a key"));
    let first = token(&identity).await;
    assert_eq!(token(&identity).await, first);
    let (header, claims) = verified(&first, &key);
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "0" }));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(ACCOUNT), &json!(ACCOUNT)));
    assert_eq!((&claims["scope"], &claims["aud"]), (&json!(SCOPE), &Value::Null));
    let now = UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let (issued, expires) = (claims["iat"].as_u64(), claims["exp"].as_u64());
    let (issued, expires) = issued.zip(expires).expect("numbers");
    assert!(issued <= now && now - issued < 120, "{issued} {now}");
    assert!(expires > now && expires - issued <= 3660, "an hour, and a little for wrong clocks");
    assert!(!proved(&identity, HOST).await.expect("a proof").contains_key(USER_PROJECT));
}

#[test]
fn a_bad_key_is_refused_without_repeating_it() {
    let good = account_key();
    let parse = |json: &Value| ServiceAccountKey::parse(&json.to_string());
    let edited = |member: &str, value: Value| {
        let mut json = good.clone();
        json[member] = value;
        parse(&json).expect_err("no key")
    };
    let shown = format!("{:?}", parse(&good).expect("a key"));
    assert_eq!(shown, format!("ServiceAccountKey({ACCOUNT})"));
    for other in ["authorized_user", "external_account", "impersonated_service_account"] {
        assert_eq!(edited("type", json!(other)), InvalidAccountKey::OtherType);
    }
    assert_eq!(edited("type", json!(1)), InvalidAccountKey::NotAKey);
    // Whatever Google's crate wants of a key is told when the key is read.
    for member in ["client_email", "private_key", "private_key_id", "project_id"] {
        assert_eq!(edited(member, Value::Null), InvalidAccountKey::NotAKey, "{member}");
    }
    assert_eq!(edited("universe_domain", json!(1)), InvalidAccountKey::NotAKey);
    assert_eq!(edited("private_key", json!("secret")), InvalidAccountKey::PrivateKey);
    let refused = ServiceAccountKey::parse("sk-secret").expect_err("no key");
    assert!(!refused.to_string().contains("sk-secret"));
}

#[tokio::test]
async fn requests_that_come_together_wait_for_one_token() {
    let stub = counting(3600).await;
    let identity = person(&stub);
    assert_eq!(join_all((0..20).map(|_| token(&identity))).await, ["token-1"; 20]);
    let headers = proved(&identity, HOST).await.expect("a proof");
    assert_eq!(headers[USER_PROJECT], "paying");
    let form: Value = serde_json::from_slice(&stub.only().body).expect("JSON");
    assert_eq!(form["grant_type"], "refresh_token");
    assert_eq!((&form["client_id"], &form["client_secret"]), (&json!("id"), &json!("s3cret")));
    assert_eq!(form["refresh_token"], "1//r");
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_and_nobody_waits() {
    let stub = counting(600).await;
    let identity = person(&stub);
    assert_eq!(token(&identity).await, "token-1");
    pass(361).await;
    until("renewed", || stub.received().len() == 2).await;
    for _ in 0..10_000 {
        if token(&identity).await == "token-2" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the next token is never used");
}

#[tokio::test]
async fn a_token_is_used_to_its_end_and_other_credentials_recover_when_these_do_not() {
    // The crate never asks again after the first of these.
    for refusal in [400, 503] {
        let refuses = Arc::new(AtomicBool::new(false));
        let stub = Stub::start({
            let refuses = Arc::clone(&refuses);
            let granted = r#"{"access_token":"t","expires_in":600,"token_type":"Bearer"}"#;
            move |_| {
                if refuses.load(Ordering::SeqCst) {
                    (refusal, r#"{"error":"not_now"}"#.into())
                } else {
                    (200, granted.into())
                }
            }
        })
        .await;
        let identity = person(&stub);
        token(&identity).await;
        refuses.store(true, Ordering::SeqCst);
        pass(361).await;
        until("renewed in vain", || stub.received().len() == 2).await;
        assert_eq!(token(&identity).await, "t");
        pass(240).await;
        let told = unproved(&identity).await;
        assert!(told.contains("not_now"), "{told}");
        refuses.store(false, Ordering::SeqCst);
        pass(6).await;
        assert_eq!(token(&identity).await, "t", "{refusal}");
    }
}

#[tokio::test]
async fn a_token_that_the_provider_refuses_is_thrown_away() {
    let stub = counting(3600).await;
    let identity = person(&stub);
    assert!(!identity.refused(), "there is none");
    assert_eq!(token(&identity).await, "token-1");
    assert!(!identity.refused(), "the next would be like it");
    assert_eq!(token(&identity).await, "token-1");
    pass(31).await;
    assert!(identity.refused());
    assert_eq!(token(&identity).await, "token-2");
}

#[tokio::test]
async fn a_refusal_is_told_without_the_issuers_words_and_the_issuer_left_alone() {
    let body = r#"{"error":"invalid_grant","error_description":"Invalid JWT: eyJhbGciOi"}"#;
    let stub = Stub::start(|_| (400, body.into())).await;
    let identity = person(&stub);
    for _ in 0..3 {
        let told = "the person granted nothing: an issuer answered invalid_grant";
        assert_eq!(unproved(&identity).await, told);
    }
    assert_eq!(stub.received().len(), 1);
}

#[tokio::test]
async fn an_issuer_that_is_away_or_talks_nonsense_is_told() {
    let stub = Stub::start(|_| (200, "secret".into())).await;
    let told = unproved(&person(&stub)).await;
    assert!(told.ends_with("gave an answer that cannot be read"), "{told}");
    let origin = stub.origin.clone();
    drop(stub);
    let file = json!({
        "type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r",
        "token_uri": origin,
    });
    let away = Google::new("it", move || user_account::Builder::new(file.clone()).build());
    let told = unproved(&away).await;
    let expected = "it granted nothing: an issuer could not be reached: Connection refused";
    assert!(told.starts_with(expected), "{told}");
}

#[tokio::test]
async fn a_silent_issuer_holds_few_connections_and_is_heard_in_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    let open = Arc::new(Mutex::new(Vec::new()));
    let accepted = Arc::clone(&open);
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            accepted.lock().push(stream);
        }
    });
    let file = json!({
        "type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r",
        "token_uri": origin,
    });
    let identity = Google::new("it", move || user_account::Builder::new(file.clone()).build());
    for _ in 0..3 {
        let waiting = unproved(&identity);
        let mut waiting = std::pin::pin!(waiting);
        // Everybody gets to where there is only waiting.
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        until("connected", || !open.lock().is_empty()).await;
        for _ in 0..100 {
            yield_now().await;
        }
        pass(10).await;
        assert_eq!(waiting.await, "it granted nothing: no answer within 10 s");
        pass(6).await;
    }
    assert_eq!(open.lock().len(), 1);
    let late = r#"{"access_token":"late","expires_in":3600,"token_type":"Bearer"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{late}",
        late.len()
    );
    let mut stream = open.lock().pop().expect("one");
    stream.write_all(answer.as_bytes()).await.expect("sent");
    assert_eq!(token(&identity).await, "late");
    accepting.abort();
}

#[tokio::test]
async fn a_workload_elsewhere_exchanges_its_token_and_acts_as_an_account() {
    let stub = Stub::start(|request| match request.url.path() {
        "/subject" => {
            assert_eq!(request.headers["metadata"], "True");
            (200, r#"{"access_token":"of the workload"}"#.into())
        }
        "/sts" => {
            let answer = json!({
                "access_token": "federated", "expires_in": 3600, "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            });
            (200, answer.to_string())
        }
        "/account:generateAccessToken" => {
            assert_eq!(request.headers[AUTHORIZATION], "Bearer federated");
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            assert_eq!(body, json!({ "scope": [SCOPE], "lifetime": "3600s" }));
            let answer =
                json!({ "accessToken": "of the account", "expireTime": "2099-01-01T00:00:00Z" });
            (200, answer.to_string())
        }
        other => panic!("{other}"),
    })
    .await;
    let mut voucher = NamedTempFile::new().expect("a file");
    voucher.write_all(b"of the pod").expect("written");
    for (source, subject) in [
        (json!({ "file": voucher.path() }), "of the pod"),
        (
            json!({
                "url": format!("{}/subject", stub.origin), "headers": { "Metadata": "True" },
                "format": { "type": "json", "subject_token_field_name": "access_token" },
            }),
            "of the workload",
        ),
    ] {
        let file = json!({
            "type": "external_account", "audience": "//iam.googleapis.com/pool",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/sts", stub.origin),
            "service_account_impersonation_url":
                format!("{}/account:generateAccessToken", stub.origin),
            "credential_source": source,
        });
        let make = move || external_account::Builder::new(file.clone()).build();
        assert_eq!(token(&Google::new("the workload", make)).await, "of the account");
        let received = stub.received();
        let exchange = received.iter().rfind(|one| one.url.path() == "/sts").expect("one").form();
        assert_eq!(exchange["subject_token"], subject);
        assert_eq!(exchange["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
        assert_eq!(exchange["audience"], "//iam.googleapis.com/pool");
    }
}

#[tokio::test]
async fn an_account_may_act_as_another() {
    let stub = Stub::start(|request| match request.url.path() {
        "/token" => {
            let answer = json!({ "access_token": "p", "expires_in": 3600, "token_type": "Bearer" });
            (200, answer.to_string())
        }
        _ => {
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            assert_eq!(body["delegates"], json!(["between"]));
            (403, r#"{"error":{"status":"PERMISSION_DENIED","message":"secret"}}"#.into())
        }
    })
    .await;
    let file = json!({
        "type": "impersonated_service_account", "delegates": ["between"],
        "service_account_impersonation_url": format!("{}/v1/projects/-/serviceAccounts/other@p:generateAccessToken", stub.origin),
        "source_credentials": {
            "type": "authorized_user", "client_id": "id", "client_secret": "s",
            "refresh_token": "r", "token_uri": format!("{}/token", stub.origin),
        },
    });
    let make = move || impersonated::Builder::new(file.clone()).build();
    let told = unproved(&Google::new("it", make)).await;
    assert_eq!(told, "it granted nothing: an issuer answered 403 (PERMISSION_DENIED)");
}

#[tokio::test]
async fn a_pod_is_what_the_metadata_server_says() {
    let stub = Stub::start(|request| {
        assert_eq!(request.headers["metadata-flavor"], "Google");
        let path = "/computeMetadata/v1/instance/service-accounts/default/token";
        assert_eq!(request.url.path(), path);
        assert_eq!(request.query()["scopes"], SCOPE);
        (200, r#"{"access_token":"of the pod","expires_in":3599,"token_type":"Bearer"}"#.into())
    })
    .await;
    let origin = stub.origin.clone();
    let pod = Google::new("the pod", move || {
        mds::Builder::default().with_endpoint(origin.clone()).with_scopes([SCOPE]).build()
    });
    assert_eq!(token(&pod).await, "of the pod");
}

#[tokio::test]
async fn a_credentials_file_that_cannot_be_used_is_told_without_its_text() {
    let file = json!({ "type": "authorized_user", "client_id": ["secret"] });
    let make = move || user_account::Builder::new(file.clone()).build();
    let told = unproved(&Google::new("it", make)).await;
    assert!(told.ends_with("lacks a part of its type") && !told.contains("secret"), "{told}");
}
