//! Whoever grants tokens, on this machine: Google's token endpoint, which verifies the assertion of
//! a service account itself, and Entra ID's. Nothing is granted to a request that the real ones
//! would refuse.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use pilothouse::credential::google;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The application that Entra ID knows.
pub const TENANT: &str = "contoso.example";
pub const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
pub const CLIENT_SECRET: &str = "s3cret+of/the=application";
/// What the cluster says of the pod.
pub const POD_TOKEN: &str = "token-of-the-pod";

const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const SERVICES: &str = "https://cognitiveservices.azure.com/.default";

/// An issuer. Its tokens are `google-1`, `google-2`, ... and `entra-1`, `entra-2`, ...
pub struct Issuer {
    pub origin: String,
    /// The JSON of a service account's key.
    pub account_key: String,
    desk: Arc<Desk>,
    serving: tokio::task::JoinHandle<()>,
}

struct Desk {
    origin: String,
    account: String,
    public_key: Vec<u8>,
    lifetime: u64,
    away: AtomicBool,
    asked: AtomicUsize,
    granted: [AtomicUsize; 2],
    refused: Mutex<Vec<String>>,
}

impl Issuer {
    /// Its tokens are valid for so many seconds.
    pub async fn start(lifetime: u64) -> Self {
        Self::run(lifetime, None).await
    }

    /// One that is asked over TLS.
    pub async fn over_tls(acceptor: TlsAcceptor) -> Self {
        Self::run(3600, Some(acceptor)).await
    }

    async fn run(lifetime: u64, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let port = listener.local_addr().unwrap().port();
        let origin = format!("{scheme}://localhost:{port}");
        let mut key: Value = serde_json::from_str(&google::stand_in().unwrap()).unwrap();
        key["token_uri"] = json!(format!("{origin}/token"));
        let pem = key["private_key"].as_str().unwrap().as_bytes();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
        let desk = Arc::new(Desk {
            origin: origin.clone(),
            account: key["client_email"].as_str().unwrap().to_owned(),
            public_key: pair.public_key().as_ref().to_vec(),
            lifetime,
            away: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            granted: Default::default(),
            refused: Mutex::default(),
        });
        let serving = tokio::spawn(accept(listener, tls, Arc::clone(&desk)));
        Self { origin, account_key: key.to_string(), desk, serving }
    }

    /// From now on it grants nothing.
    pub fn leave(&self) {
        self.desk.away.store(true, Ordering::SeqCst);
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.desk.asked.load(Ordering::SeqCst)
    }

    /// What was wrong with requests that it refused.
    pub fn refused(&self) -> Vec<String> {
        self.desk.refused.lock().clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, desk: Arc<Desk>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, desk) = (tls.clone(), Arc::clone(&desk));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, desk).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, desk).await;
                    }
                }
            }
        });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, desk: Arc<Desk>) {
    let service = service_fn(|request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let (status, answer) = desk.answer(&head, &body);
            let response = Response::builder().status(status);
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from(answer.to_string()))).unwrap())
        }
    });
    // A peer that goes away is its own business.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Desk {
    fn answer(&self, head: &Parts, body: &[u8]) -> (u16, Value) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return (503, json!({}));
        }
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let entra = format!("/{TENANT}/oauth2/v2.0/token");
        let (at, name, checked) = match head.uri.path() {
            "/token" => (0, "google", self.check_google(&form)),
            path if path == entra => (1, "entra", check_entra(&form)),
            path => (0, "", Err(format!("nothing is at {path}"))),
        };
        let is_form = head.headers["content-type"] == "application/x-www-form-urlencoded";
        match checked {
            Ok(()) if is_form && head.method == "POST" => {
                let number = self.granted[at].fetch_add(1, Ordering::SeqCst) + 1;
                let token = format!("{name}-{number}");
                let lifetime = self.lifetime;
                let answer = json!({
                    "access_token": token, "expires_in": lifetime, "token_type": "Bearer"
                });
                (200, answer)
            }
            Ok(()) => (405, json!({})),
            Err(fault) => {
                let answer = json!({ "error": "invalid_grant", "error_description": &fault });
                self.refused.lock().push(fault);
                (400, answer)
            }
        }
    }

    /// RFC 7523, as Google has it.
    fn check_google(&self, form: &HashMap<String, String>) -> Result<(), String> {
        expect(form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")?;
        let assertion = form.get("assertion").ok_or("no assertion")?;
        let (signed, signature) = assertion.rsplit_once('.').ok_or("no signature")?;
        let decode = |text| URL_SAFE_NO_PAD.decode(text).map_err(|_| "not base64url".to_owned());
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key)
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| "Invalid JWT Signature.")?;
        let (header, claims) = signed.split_once('.').ok_or("no claims")?;
        let read = |part| -> Result<Value, String> {
            serde_json::from_slice(&decode(part)?).map_err(|error| error.to_string())
        };
        let (header, claims) = (read(header)?, read(claims)?);
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
        let time = |name: &str| claims[name].as_u64().ok_or(format!("no {name}"));
        let (issued, expires) = (time("iat")?, time("exp")?);
        let aud = format!("{}/token", self.origin);
        for (holds, fault) in [
            (header["alg"] == "RS256" && header["typ"] == "JWT", "the header"),
            (claims["iss"] == *self.account, "iss"),
            (claims["aud"] == *aud, "aud"),
            (claims["scope"] == CLOUD_PLATFORM, "scope"),
            (issued <= now && now < expires && expires - issued <= 3600, "iat or exp"),
        ] {
            if !holds {
                return Err(fault.to_owned());
            }
        }
        Ok(())
    }
}

/// RFC 6749 section 4.4, by the secret of the application or by what the cluster says of the pod.
fn check_entra(form: &HashMap<String, String>) -> Result<(), String> {
    expect(form, "grant_type", "client_credentials")?;
    expect(form, "client_id", CLIENT)?;
    expect(form, "scope", SERVICES)?;
    if form.contains_key("client_assertion") {
        let jwt = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        expect(form, "client_assertion_type", jwt)?;
        return expect(form, "client_assertion", POD_TOKEN);
    }
    expect(form, "client_secret", CLIENT_SECRET)
}

fn expect(form: &HashMap<String, String>, name: &str, value: &str) -> Result<(), String> {
    let found = form.get(name).map(String::as_str);
    (found == Some(value)).then_some(()).ok_or_else(|| format!("{name} is {found:?}"))
}
