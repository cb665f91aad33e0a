use super::*;
use crate::credential::stub::Stub;

const TEST: Issuer = Issuer("the test");

async fn answered(status: u16, body: &str) -> Result<Fetched<String>, String> {
    let body = body.to_owned();
    let stub = Stub::start(move |_| (status, body.clone())).await;
    let url = stub.origin.parse().expect("a URL");
    let answer = TEST.post(&url, &[]).await.expect("an answer");
    TEST.token(&answer).map_err(|error| error.to_string())
}

#[tokio::test]
async fn lifetimes_are_understood_as_issuers_write_them() {
    let (hour, almost) = (Duration::from_secs(3600), Duration::from_secs(3540));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    for (members, least, most) in [
        (r#","expires_in":3600"#.to_owned(), hour, hour),
        (r#","expires_in":"3600""#.to_owned(), hour, hour),
        (format!(r#","expires_on":"{}""#, now + 3600), almost, hour),
        (String::new(), UNTOLD_LIFETIME, UNTOLD_LIFETIME),
    ] {
        let granted = answered(200, &format!(r#"{{"access_token":"t"{members}}}"#)).await;
        let granted = granted.expect("a token");
        let lifetime = granted.lifetime.expect("an end");
        assert!(granted.value == "t" && least <= lifetime && lifetime <= most, "{members}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_by_its_codes_and_nothing_else() {
    for (status, body, told) in [
        (400, r#"{"error":"invalid_grant","error_description":"secret"}"#, "400 (invalid_grant)"),
        (
            401,
            r#"{"error":"invalid_client","error_codes":[7000215],"error_description":"secret"}"#,
            "401 (invalid_client, AADSTS7000215)",
        ),
        (
            403,
            r#"{"error":{"code":403,"message":"secret","status":"PERMISSION_DENIED"}}"#,
            "403 (PERMISSION_DENIED)",
        ),
        (400, r#"{"error":"a secret with spaces"}"#, "400"),
        (302, "secret", "302"),
        (503, "", "503"),
    ] {
        let error = answered(status, body).await.expect_err("a refusal");
        assert_eq!(error, format!("the test granted nothing: it answered {told}"));
    }
    for body in ["secret", r#"{"access_token":["secret"]}"#, r#"{"id_token":"secret"}"#] {
        let error = answered(200, body).await.expect_err("no token");
        assert!(error.contains("its answer") && !error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let error = {
        let stub = Stub::start(|_| (200, "x".repeat(1 << 20))).await;
        let url = stub.origin.parse().expect("a URL");
        TEST.post(&url, &[]).await.expect_err("too long").to_string()
    };
    assert!(error.contains("length limit exceeded"), "{error}");
}

#[tokio::test]
async fn an_issuer_that_is_away_is_named() {
    let url: Uri = {
        // A port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}/t", listener.local_addr().expect("bound")).parse().expect("a URL")
    };
    let error = TEST.post(&url, &[]).await.expect_err("nobody").to_string();
    assert!(
        error.starts_with("the test granted nothing: cannot connect to `127.0.0.1:"),
        "{error}"
    );
}
