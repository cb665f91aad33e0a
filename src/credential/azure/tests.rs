use std::io::Write;

use tempfile::NamedTempFile;

use super::*;
use crate::credential::Author;
use crate::credential::stub::{Stub, proved, unproved};

const CLASSIC: &str = "res.openai.azure.com";
const FOUNDRY: &str = "res.services.ai.azure.com";

fn application(stub: &Stub) -> Application {
    let authority = AuthorityHost::parse(&stub.origin, Author::Operator).expect("a local one");
    Application::new(&authority, "contoso.example", "the-app", "s3cret&more").expect("valid")
}

/// An issuer whose tokens say what they are for.
async fn by_scope() -> Stub {
    Stub::start(|request| {
        let scope = request.form()["scope"].clone();
        let body = serde_json::json!({
            "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599,
            "access_token": scope.replace("https://", "for "),
        });
        (200, body.to_string())
    })
    .await
}

#[tokio::test]
async fn an_application_proves_itself_by_its_secret() {
    let stub = by_scope().await;
    let azure = Azure::of_application(application(&stub), None);
    for _ in 0..2 {
        let headers = proved(&azure, CLASSIC).await.expect("a proof");
        assert_eq!(headers[AUTHORIZATION], "Bearer for cognitiveservices.azure.com/.default");
        assert!(headers[AUTHORIZATION].is_sensitive());
    }
    let request = stub.only();
    assert_eq!(request.url.path(), "/contoso.example/oauth2/v2.0/token");
    let form = request.form();
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!((&*form["client_id"], &*form["client_secret"]), ("the-app", "s3cret&more"));
    assert_eq!(form.len(), 4);
}

#[tokio::test]
async fn each_host_gets_a_token_that_is_for_it() {
    let stub = by_scope().await;
    let azure = Azure::of_application(application(&stub), None);
    for _ in 0..2 {
        let headers = proved(&azure, FOUNDRY).await.expect("a proof");
        assert_eq!(headers[AUTHORIZATION], "Bearer for ai.azure.com/.default");
        proved(&azure, CLASSIC).await.expect("a proof");
    }
    assert_eq!(stub.received().len(), 2, "one for each scope");
    let azure = Azure::of_application(application(&stub), Some("api://own/.default"));
    for host in [CLASSIC, FOUNDRY] {
        let headers = proved(&azure, host).await.expect("a proof");
        assert_eq!(headers[AUTHORIZATION], "Bearer api://own/.default");
    }
    assert_eq!(stub.received().len(), 3, "one scope for every host");
}

#[tokio::test]
async fn a_refusal_is_told_by_its_number() {
    let body = r#"{"error":"invalid_client","error_codes":[7000215],
        "error_description":"AADSTS7000215: Invalid client secret s3cret"}"#;
    let stub = Stub::start(|_| (401, body.into())).await;
    let told = unproved(&Azure::of_application(application(&stub), None)).await;
    let expected = "Entra ID granted nothing: it answered 401 (invalid_client, AADSTS7000215)";
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_an_issuer_said_is_never_repeated() {
    for (status, body, told) in [
        (400, r#"{"error":"invalid_grant","error_description":"s3cret"}"#, "400 (invalid_grant)"),
        (400, r#"{"error":"a s3cret with spaces"}"#, "it answered 400"),
        (302, "s3cret", "it answered 302"),
        (503, "", "it answered 503"),
        (200, "s3cret", "its answer is not what was asked for"),
        (200, r#"{"access_token":["s3cret"]}"#, "its answer is not what was asked for"),
        (200, r#"{"id_token":"s3cret","expires_in":3600}"#, "its answer holds no token"),
        (200, r#"{"access_token":"s3\u0000cret","expires_in":3600}"#, "its answer holds no token"),
        (200, r#"{"access_token":"s3cret"}"#, "its token has no time left"),
    ] {
        let stub = Stub::start(move |_| (status, body.to_owned())).await;
        let error = unproved(&Azure::of_application(application(&stub), None)).await;
        assert!(error.ends_with(told) && !error.contains("s3cret"), "{error}");
        assert_eq!(stub.received().len(), 1, "{status}: nobody tries again at once");
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let stub = Stub::start(|_| (200, "x".repeat(1 << 20))).await;
    let told = unproved(&Azure::of_application(application(&stub), None)).await;
    assert!(told.contains("length limit exceeded"), "{told}");
}

#[tokio::test]
async fn an_issuer_that_is_away_is_named() {
    // A port that was free a moment ago.
    let application = application(&by_scope().await);
    let told = unproved(&Azure::of_application(application, None)).await;
    assert!(told.starts_with("Entra ID granted nothing: cannot connect to `127.0.0.1:"), "{told}");
}

#[tokio::test]
async fn a_pod_is_vouched_for_by_its_cluster() {
    let stub = by_scope().await;
    let mut voucher = NamedTempFile::new().expect("a file");
    voucher.write_all(b"token-of-the-pod").expect("written");
    let environment = Environment::of([
        ("AZURE_FEDERATED_TOKEN_FILE", voucher.path().to_str().expect("UTF-8")),
        ("AZURE_AUTHORITY_HOST", &format!("{}/", stub.origin)),
        ("AZURE_CLIENT_ID", "of-the-environment"),
        ("AZURE_TENANT_ID", "tenant-1"),
        // What a workload identity goes before.
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:1"),
        ("IDENTITY_HEADER", "h"),
    ]);
    let azure = Azure::of_gateway(OwnIdentity::default(), environment.clone(), None);
    proved(&azure, CLASSIC).await.expect("a proof");
    let request = stub.only();
    assert_eq!(request.url.path(), "/tenant-1/oauth2/v2.0/token");
    let form = request.form();
    assert_eq!(form["client_id"], "of-the-environment");
    assert_eq!(form["client_assertion"], "token-of-the-pod");
    assert_eq!(
        form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    let own = OwnIdentity {
        tenant_id: Some("tenant-2".into()),
        client_id: Some("of-the-store".into()),
        authority_host: None,
    };
    proved(&Azure::of_gateway(own, environment, None), CLASSIC).await.expect("a proof");
    let last = stub.received().pop().expect("two");
    assert_eq!(last.url.path(), "/tenant-2/oauth2/v2.0/token");
    assert_eq!(last.form()["client_id"], "of-the-store");
}

#[tokio::test]
async fn a_machine_has_the_identity_that_its_metadata_service_says() {
    let stub = Stub::start(|request| {
        assert_eq!(request.headers["metadata"], "true");
        assert_eq!(request.url.path(), "/metadata/identity/oauth2/token");
        let query = request.query();
        assert_eq!(query["api-version"], "2019-08-01");
        assert_eq!(query["resource"], "https://cognitiveservices.azure.com");
        assert_eq!(query["client_id"], "user-assigned");
        let answer = serde_json::json!({
            "access_token": "of the machine", "expires_on": "4102444800", "expires_in": "86399",
            "resource": "https://cognitiveservices.azure.com", "token_type": "Bearer",
        });
        (200, answer.to_string())
    })
    .await;
    let environment = Environment::of([("AZURE_POD_IDENTITY_AUTHORITY_HOST", &*stub.origin)]);
    let own = OwnIdentity { client_id: Some("user-assigned".into()), ..OwnIdentity::default() };
    let headers = proved(&Azure::of_gateway(own, environment, None), CLASSIC).await;
    assert_eq!(headers.expect("a proof")[AUTHORIZATION], "Bearer of the machine");
}

#[tokio::test]
async fn a_workload_identity_that_is_not_whole_is_told() {
    let environment = Environment::of([("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent/token")]);
    let own = OwnIdentity::default();
    let told = unproved(&Azure::of_gateway(own, environment.clone(), None)).await;
    assert!(told.ends_with("AZURE_CLIENT_ID is not set"), "{told}");
    let own = OwnIdentity {
        client_id: Some("c".into()),
        tenant_id: Some("t".into()),
        ..OwnIdentity::default()
    };
    let told = unproved(&Azure::of_gateway(own, environment, None)).await;
    assert!(told.contains("/nonexistent/token: No such file"), "{told}");
}
