use std::io::Write;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::*;
use crate::credential::Author;
use crate::credential::stub::{Stub, proved, unproved};

const ACCOUNT: &str = "gateway@project.iam.gserviceaccount.com";

/// A key pair and the JSON of its key.
fn account_key(token_uri: &str) -> (KeyPair, Value) {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key pair");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS #8");
    let body = STANDARD.encode(der.as_ref());
    let lines: Vec<_> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    let pem = lines.join("\n");
    let json = json!({
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "key-1",
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"),
        "client_email": ACCOUNT,
        "token_uri": token_uri,
    });
    (pair, json)
}

/// The claims of an assertion, whose signature is checked by the public half of the pair.
fn verified(assertion: &str, pair: &KeyPair) -> (Value, Value) {
    let (signed, signature) = assertion.rsplit_once('.').expect("a signature");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())
        .verify(signed.as_bytes(), &signature)
        .expect("signed by the account's key");
    let parts: Vec<Value> = signed
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"))
        .map(|part| serde_json::from_slice(&part).expect("JSON"))
        .collect();
    let [header, claims] = parts.try_into().expect("two parts");
    (header, claims)
}

#[tokio::test]
async fn a_service_account_proves_itself_by_a_signed_assertion() {
    let stub = Stub::granting("ya29.token").await;
    let token_uri = format!("{}/token", stub.origin);
    let (pair, json) = account_key(&token_uri);
    let key = ServiceAccountKey::parse(&json.to_string(), Author::Operator).expect("a key");
    let identity = Google::of_key(key);
    for _ in 0..2 {
        let headers = proved(&identity, "aiplatform.googleapis.com").await.expect("a proof");
        assert_eq!(headers[AUTHORIZATION], "Bearer ya29.token");
        assert!(headers[AUTHORIZATION].is_sensitive());
        assert!(!headers.contains_key(USER_PROJECT));
    }
    let form = stub.only().form();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (header, claims) = verified(&form["assertion"], &pair);
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }));
    assert_eq!(claims["iss"], ACCOUNT);
    assert_eq!(claims["aud"], token_uri);
    assert_eq!(claims["scope"], SCOPE);
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let (issued, expires) = (claims["iat"].as_u64(), claims["exp"].as_u64());
    let (issued, expires) = issued.zip(expires).expect("numbers");
    assert!(issued <= now && now - issued < 120, "{issued} {now}");
    assert_eq!(expires - issued, 3600);
}

#[test]
fn a_bad_key_is_refused_without_repeating_it() {
    let (_, good) = account_key("https://oauth2.googleapis.com/token");
    let parse = |json: &Value| ServiceAccountKey::parse(&json.to_string(), Author::Tenant);
    let edited = |member: &str, value: Value| {
        let mut json = good.clone();
        json[member] = value;
        parse(&json).expect_err("no key")
    };
    parse(&good).expect("a key");
    let shown = format!("{:?}", parse(&good).expect("a key"));
    assert_eq!(shown, format!("ServiceAccountKey({ACCOUNT})"));
    assert_eq!(edited("type", json!("authorized_user")), InvalidAccountKey::OtherType);
    assert_eq!(edited("type", json!(1)), InvalidAccountKey::NotAKey);
    assert_eq!(edited("client_email", Value::Null), InvalidAccountKey::NotAKey);
    assert_eq!(edited("private_key", json!("secret")), InvalidAccountKey::PrivateKey);
    for url in [
        "https://evil.example/token",
        "http://oauth2.googleapis.com/token",
        "https://169.254.169.254/token",
        "https://googleapis.com.evil.example/token",
    ] {
        assert_eq!(edited("token_uri", json!(url)), InvalidAccountKey::TokenUri, "{url}");
    }
    let refused = ServiceAccountKey::parse("sk-secret", Author::Tenant).expect_err("no key");
    assert!(!refused.to_string().contains("sk-secret"));
}

#[tokio::test]
async fn a_refusal_is_told_without_the_issuers_words() {
    let body = r#"{"error":"invalid_grant","error_description":"Invalid JWT: eyJhbGciOi"}"#;
    let stub = Stub::start(|_| (400, body.into())).await;
    let (_, json) = account_key(&stub.origin);
    let key = ServiceAccountKey::parse(&json.to_string(), Author::Operator).expect("a key");
    let told = "Google's token endpoint granted nothing: it answered 400 (invalid_grant)";
    assert_eq!(unproved(&Google::of_key(key)).await, told);
}

fn file(content: &Value) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(content.to_string().as_bytes()).expect("written");
    file
}

/// The gateway's own identity by a credentials file.
fn by_file(file: &NamedTempFile) -> Google {
    let path = file.path().to_str().expect("UTF-8");
    Google::of_gateway(Environment::of([("GOOGLE_APPLICATION_CREDENTIALS", path)]))
}

#[tokio::test]
async fn a_service_account_file_is_the_gateways_own_identity() {
    let stub = Stub::granting("own").await;
    let (pair, json) = account_key(&format!("{}/token", stub.origin));
    let headers = proved(&by_file(&file(&json)), "any").await.expect("a proof");
    assert_eq!(headers[AUTHORIZATION], "Bearer own");
    verified(&stub.only().form()["assertion"], &pair);
}

#[tokio::test]
async fn a_persons_login_is_refreshed_and_charged_to_its_project() {
    let stub = Stub::granting("person").await;
    let content = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "s3cret",
        "refresh_token": "1//r", "quota_project_id": "paying", "token_uri": stub.origin,
    });
    let headers = proved(&by_file(&file(&content)), "any").await.expect("a proof");
    assert_eq!(
        (&headers[AUTHORIZATION], &headers[USER_PROJECT]),
        (&HeaderValue::from_static("Bearer person"), &HeaderValue::from_static("paying"),)
    );
    let form = stub.only().form();
    assert_eq!((&*form["grant_type"], &*form["refresh_token"]), ("refresh_token", "1//r"));
    assert_eq!((&*form["client_id"], &*form["client_secret"]), ("id", "s3cret"));
}

#[tokio::test]
async fn a_workload_elsewhere_exchanges_its_token_and_acts_as_an_account() {
    let stub = Stub::start(|request| match request.url.path() {
        "/subject" => {
            assert_eq!(request.headers["metadata"], "True");
            (200, r#"{"access_token":"of the workload"}"#.into())
        }
        "/sts" => (200, r#"{"access_token":"federated","expires_in":3600}"#.into()),
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
    voucher.write_all(b"of the pod\n").expect("written");
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
        let content = json!({
            "type": "external_account", "audience": "//iam.googleapis.com/pool",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/sts", stub.origin),
            "service_account_impersonation_url":
                format!("{}/account:generateAccessToken", stub.origin),
            "credential_source": source,
        });
        let headers = proved(&by_file(&file(&content)), "any").await.expect("a proof");
        assert_eq!(headers[AUTHORIZATION], "Bearer of the account");
        let received = stub.received();
        let exchange = received.iter().rfind(|one| one.url.path() == "/sts").expect("one").form();
        assert_eq!(exchange["subject_token"], subject);
        assert_eq!(exchange["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
        assert_eq!(exchange["audience"], "//iam.googleapis.com/pool");
        assert_eq!(exchange["scope"], SCOPE);
    }
}

#[tokio::test]
async fn an_account_may_act_as_another() {
    let stub = Stub::start(|request| match request.url.path() {
        "/token" => (200, r#"{"access_token":"of the person","expires_in":3600}"#.into()),
        _ => {
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            assert_eq!(body["delegates"], json!(["between"]));
            (403, r#"{"error":{"status":"PERMISSION_DENIED","message":"no"}}"#.into())
        }
    })
    .await;
    let content = json!({
        "type": "impersonated_service_account", "delegates": ["between"],
        "service_account_impersonation_url": format!("{}/other:generateAccessToken", stub.origin),
        "source_credentials": {
            "type": "authorized_user", "client_id": "id", "client_secret": "s",
            "refresh_token": "r", "token_uri": format!("{}/token", stub.origin),
        },
    });
    let told = unproved(&by_file(&file(&content))).await;
    assert_eq!(
        told,
        "Google's IAM credentials service granted nothing: it answered 403 (PERMISSION_DENIED)"
    );
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
    let host = stub.origin.strip_prefix("http://").expect("http");
    let identity = Google::of_gateway(Environment::of([
        ("GCE_METADATA_HOST", host),
        ("GOOGLE_CLOUD_QUOTA_PROJECT", "paying"),
        ("HOME", "/nonexistent"),
    ]));
    let headers = proved(&identity, "any").await.expect("a proof");
    assert_eq!(headers[AUTHORIZATION], "Bearer of the pod");
    assert_eq!(headers[USER_PROJECT], "paying");
}

#[tokio::test]
async fn a_credentials_file_that_cannot_be_used_is_told_without_its_text() {
    for (content, told) in [
        (json!({ "type": "service_account", "private_key": "secret" }), "lacks a part of its kind"),
        (json!({ "type": "secret" }), "none of the kinds"),
        (
            json!({ "type": "external_account", "audience": "a", "subject_token_type": "t",
                "token_url": "https://sts.example",
                "credential_source": { "environment_id": "aws1", "url": "http://127.0.0.1:1" } }),
            "AWS are not supported",
        ),
        (
            json!({ "type": "authorized_user", "client_id": "i", "client_secret": "secret",
                "refresh_token": "secret", "token_uri": "http://plain.example" }),
            "`token_uri` of the credentials file must be an https URL",
        ),
    ] {
        let error = unproved(&by_file(&file(&content))).await;
        assert!(error.contains(told) && !error.contains("secret"), "{error}");
    }
    let missing = Environment::of([("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key.json")]);
    let error = unproved(&Google::of_gateway(missing)).await;
    assert!(error.contains("the file of GOOGLE_APPLICATION_CREDENTIALS: No such file"), "{error}");
}
