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

use crate::issuer::{CLIENT, Issuer, POD_TOKEN, TENANT};
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

#[tokio::test]
async fn the_gateway_proves_itself_by_what_it_runs_as() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(folder.path()).await;
    let builder = || Simulator::builder().name("cloud");
    let google = builder().provider(Flavor::Vertex).keys(["google-1"]).start().await.unwrap();
    let azure = builder().provider(Flavor::Azure).keys(["entra-1"]).start().await.unwrap();
    let manifests = folder.path().join("manifests");
    fs::create_dir(&manifests).unwrap();
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
    fs::write(manifests.join("routes.yaml"), routes.concat()).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (account, pod) = (file("account.json", &issuer.account_key), file("token", POD_TOKEN));
    let authorities = folder.path().join("ca.pem");
    let environment = [
        ("SSL_CERT_FILE", authorities.to_str().unwrap()),
        ("GOOGLE_APPLICATION_CREDENTIALS", account.as_str()),
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
    assert_eq!((google.requests().len(), azure.requests().len()), (1, 1));

    // Whoever does not know the authority does not ask the issuer.
    let (_process, base) = serve(&manifests, &environment[1..]).await;
    let (status, body) = chat(&base, "of-azure").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("Entra ID granted nothing: TLS handshake"), "{body}");
    assert_eq!(issuer.asked(), 2);
}
