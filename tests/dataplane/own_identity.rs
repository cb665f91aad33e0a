//! The binary with what it runs as: its own environment, files and certificate authorities.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use pilothouse::simulate::{Flavor, Simulator};
use pilothouse::table::BaseUrl;
use pilothouse::upstream::{AddressPolicy, Client, PoolLimits};
use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_rustls::TlsAcceptor;

use crate::issuer::{CLIENT, GUARD, Issuer, POD_TOKEN, TENANT};
use crate::routes::chat_body;
use crate::support::connector;

/// An issuer with a certificate that nobody knows, which is written into the folder.
async fn issuer(folder: &Path) -> Issuer {
    let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("ca.pem"), certified.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    Issuer::over_tls(TlsAcceptor::from(Arc::new(config))).await
}

/// A store of the gateway's own identity, and a route of the same name to the cloud that takes it.
fn route(name: &str, store: &str, target: &str) -> String {
    format!(
        r"---
apiVersion: pilothouse.dev/v1alpha1
kind: CredentialStore
metadata: {{name: {name}}}
spec: {{{store}}}
---
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec:
  targets:
  - {{name: cloud, {target}, credentialRef: {{name: {name}}}}}
"
    )
}

/// Starts the binary in this environment alone, and waits until it serves.
async fn serve(manifests: &Path, environment: &[(&str, &str)]) -> (Child, BaseUrl) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(["--anonymous", "--log-format", "json", "--manifests"])
        .arg(manifests)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let (mut address, mut published) = (None, false);
    while address.is_none() || !published {
        let line = log.next_line().await.unwrap().expect("it serves before it ends");
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        match event["message"].as_str() {
            Some("serving") => address = event["listen"].as_str().map(str::to_owned),
            Some("published a table") => published = true,
            _ => println!("{line}"),
        }
    }
    tokio::spawn(async move {
        while let Ok(Some(line)) = log.next_line().await {
            println!("{line}");
        }
    });
    (process, format!("http://{}", address.unwrap()).parse().unwrap())
}

async fn chat(base: &BaseUrl, model: &str) -> (StatusCode, Bytes) {
    let client = Client::new(connector(AddressPolicy::Any), PoolLimits::default());
    let request = Request::post("/v1/chat/completions").header("content-type", "application/json");
    let request = request.body(Bytes::from(chat_body(model, false))).unwrap();
    let answer = client.send(base, request, Duration::from_secs(5)).await.unwrap();
    let (head, body) = answer.into_parts();
    (head.status, body.collect().await.unwrap().to_bytes())
}

/// Two clouds, and a folder with a route to each, `of-google` and `of-azure`, by what the gateway runs
/// as.
async fn clouds(folder: &Path) -> (Simulator, Simulator) {
    let builder = || Simulator::builder().name("cloud");
    // What a service account signs itself is no key that could be listed.
    let google = builder().provider(Flavor::Vertex).start().await.unwrap();
    let azure = builder().provider(Flavor::Azure).keys(["entra-1"]).start().await.unwrap();
    fs::create_dir(folder.join("manifests")).unwrap();
    let vertex = format!(
        "provider: vertex, model: gemini-3.1-pro, baseURL: \"{}/v1/projects/p/locations/l\"",
        google.url()
    );
    let openai =
        format!("provider: azure-openai, model: gpt-sim, baseURL: \"{}/openai/v1\"", azure.url());
    let routes = [
        route("of-google", "type: Google, google: {}", &vertex),
        route("of-azure", "type: Azure, azure: {}", &openai),
    ];
    fs::write(folder.join("manifests/routes.yaml"), routes.concat()).unwrap();
    (google, azure)
}

/// A file in the folder: where it is.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn tokens_seen(cloud: &Simulator) -> Vec<String> {
    let token = |value: &str| value.strip_prefix("Bearer ").unwrap().to_owned();
    cloud.requests().iter().map(|one| token(one.header("authorization").unwrap())).collect()
}

#[tokio::test]
async fn the_gateway_proves_itself_by_what_it_runs_as() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let issuer = issuer(folder).await;
    let (google, azure) = clouds(folder).await;
    let (person, pod) =
        (file(folder, "person.json", &issuer.person), file(folder, "token", POD_TOKEN));
    let (manifests, authorities) = (folder.join("manifests"), folder.join("ca.pem"));
    let environment = [
        ("SSL_CERT_FILE", authorities.to_str().unwrap()),
        ("GOOGLE_APPLICATION_CREDENTIALS", person.as_str()),
        ("GOOGLE_CLOUD_QUOTA_PROJECT", "paying"),
        ("AZURE_FEDERATED_TOKEN_FILE", pod.as_str()),
        ("AZURE_AUTHORITY_HOST", issuer.origin.as_str()),
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
    ];
    let (_process, base) = serve(&manifests, &environment).await;
    for model in ["of-google", "of-azure"] {
        let (status, body) = chat(&base, model).await;
        assert_eq!(status, StatusCode::OK, "{model}: {body:?} {:?}", issuer.refused());
    }
    assert_eq!(
        (tokens_seen(&google), tokens_seen(&azure)),
        (vec!["google-1".into()], vec!["entra-1".into()])
    );
    assert_eq!(google.requests()[0].header("x-goog-user-project"), Some("paying"));

    // Whoever does not know the authority does not ask the issuer.
    let (_process, base) = serve(&manifests, &environment[1..]).await;
    for (model, told) in [
        (
            "of-google",
            "the gateway's own Google credentials granted nothing: an issuer could not be reached: invalid peer certificate",
        ),
        ("of-azure", "the gateway's workload identity granted nothing: TLS handshake"),
    ] {
        let (status, body) = chat(&base, model).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(told), "{body}");
    }
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn the_gateway_is_a_service_account_by_its_key_and_an_app_by_its_host() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let issuer = Issuer::start(3600).await;
    let (google, azure) = clouds(folder).await;
    let account = file(folder, "account.json", &issuer.account_key);
    let managed = format!("{}/msi/token", issuer.origin);
    let environment = [
        ("GOOGLE_APPLICATION_CREDENTIALS", account.as_str()),
        ("IDENTITY_ENDPOINT", managed.as_str()),
        ("IDENTITY_HEADER", GUARD),
    ];
    let (_process, base) = serve(&folder.join("manifests"), &environment).await;
    for model in ["of-google", "of-azure"] {
        let (status, body) = chat(&base, model).await;
        assert_eq!(status, StatusCode::OK, "{model}: {body:?} {:?}", issuer.refused());
    }
    assert_eq!(issuer.verify(&tokens_seen(&google)[0]), Ok(()));
    assert_eq!((tokens_seen(&azure), issuer.asked()), (vec!["entra-1".into()], 1));
}

#[tokio::test]
async fn the_gateway_is_what_the_metadata_server_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let issuer = Issuer::start(3600).await;
    let (google, _) = clouds(folder).await;
    let host = issuer.origin.strip_prefix("http://").unwrap();
    let environment = [("GCE_METADATA_HOST", host), ("HOME", folder.to_str().unwrap())];
    let (_process, base) = serve(&folder.join("manifests"), &environment).await;
    let (status, body) = chat(&base, "of-google").await;
    assert_eq!(status, StatusCode::OK, "{body:?} {:?}", issuer.refused());
    assert_eq!(tokens_seen(&google), ["google-1"]);
}
