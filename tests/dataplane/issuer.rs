//! Whoever grants tokens, on this machine: Google's token endpoint and metadata server, Entra ID's
//! token endpoint and Azure's endpoint of managed identities. Nothing is granted to a request that the
//! real ones would refuse. What a service account signs itself is verified here too.

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

/// What guards the endpoint of managed identities.
pub const GUARD: &str = "guard-of-the-app";

const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
/// A person's login: the client, its secret and the refresh token.
const PERSON: (&str, &str, &str) = ("client-of-the-person", "s3cret+of/it", "1//refresh");
const METADATA: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const MANAGED: &str = "/msi/token";
const SERVICES: &str = "https://cognitiveservices.azure.com/.default";

/// An issuer. Its tokens are `google-1`, `google-2`, ... and `entra-1`, `entra-2`, ...
pub struct Issuer {
    pub origin: String,
    /// The JSON of a service account's key.
    pub account_key: String,
    /// The JSON of a person's login.
    pub person: String,
    desk: Arc<Desk>,
    serving: tokio::task::JoinHandle<()>,
}

struct Desk {
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
        // Who has the key signs for itself and asks nobody.
        key["token_uri"] = json!("http://127.0.0.1:1/token");
        let person = json!({
            "type": "authorized_user", "client_id": PERSON.0, "client_secret": PERSON.1,
            "refresh_token": PERSON.2, "token_uri": format!("{origin}/token"),
        });
        let pem = key["private_key"].as_str().unwrap().as_bytes();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
        let desk = Arc::new(Desk {
            account: key["client_email"].as_str().unwrap().to_owned(),
            public_key: pair.public_key().as_ref().to_vec(),
            lifetime,
            away: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            granted: Default::default(),
            refused: Mutex::default(),
        });
        let serving = tokio::spawn(accept(listener, tls, Arc::clone(&desk)));
        let (account_key, person) = (key.to_string(), person.to_string());
        Self { origin, account_key, person, desk, serving }
    }

    /// From now on it grants nothing.
    pub fn leave(&self) {
        self.desk.away.store(true, Ordering::SeqCst);
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.desk.asked.load(Ordering::SeqCst)
    }

    /// Whether the service account signed this token, and what is wrong with it if not.
    pub fn verify(&self, token: &str) -> Result<(), String> {
        self.desk.verify(token)
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
        let entra = format!("/{TENANT}/oauth2/v2.0/token");
        let (at, name, checked) = match head.uri.path() {
            "/token" => (0, "google", check_person(head, body)),
            METADATA => (0, "google", check_pod(head)),
            MANAGED => (1, "entra", check_app(head)),
            path if path == entra => (1, "entra", check_entra(head, body)),
            path => (0, "", Err(format!("nothing is at {path}"))),
        };
        match checked {
            Ok(()) => {
                let number = self.granted[at].fetch_add(1, Ordering::SeqCst) + 1;
                let mut answer = json!({
                    "access_token": format!("{name}-{number}"), "expires_in": self.lifetime,
                    "token_type": "Bearer"
                });
                if head.uri.path() == MANAGED {
                    let end = UNIX_EPOCH.elapsed().unwrap().as_secs() + self.lifetime;
                    answer["expires_on"] = json!(end.to_string());
                    answer["resource"] = json!(resource());
                }
                (200, answer)
            }
            Err(fault) => {
                let answer = json!({ "error": "invalid_grant", "error_description": &fault });
                self.refused.lock().push(fault);
                (400, answer)
            }
        }
    }

    /// AIP-4111.
    fn verify(&self, token: &str) -> Result<(), String> {
        let (signed, signature) = token.rsplit_once('.').ok_or("no signature")?;
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
        for (holds, fault) in [
            (header["alg"] == "RS256" && header["typ"] == "JWT", "the header"),
            (claims["iss"] == *self.account && claims["sub"] == *self.account, "iss or sub"),
            (claims["aud"].is_null(), "aud beside scope"),
            (claims["scope"] == CLOUD_PLATFORM, "scope"),
            // An hour, with ten seconds at either end for clocks that are wrong.
            (issued <= now && now < expires && expires - issued <= 3620, "iat or exp"),
        ] {
            if !holds {
                return Err(fault.to_owned());
            }
        }
        Ok(())
    }
}

/// RFC 6749 section 6, in JSON as Google takes it too.
fn check_person(head: &Parts, body: &[u8]) -> Result<(), String> {
    is_post_of(head, "application/json")?;
    let form: HashMap<String, Value> =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let form = form.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.into())));
    let form: HashMap<String, String> = form.collect();
    let (client, secret, refresh) = PERSON;
    expect(&form, "grant_type", "refresh_token")?;
    expect(&form, "client_id", client)?;
    expect(&form, "client_secret", secret)?;
    expect(&form, "refresh_token", refresh)
}

fn check_pod(head: &Parts) -> Result<(), String> {
    if head.headers.get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return Err("metadata-flavor".to_owned());
    }
    expect(&query(head), "scopes", CLOUD_PLATFORM)
}

/// A managed identity of App Service or Container Apps.
fn check_app(head: &Parts) -> Result<(), String> {
    if head.headers.get("x-identity-header").is_none_or(|guard| guard != GUARD) {
        return Err("x-identity-header".to_owned());
    }
    expect(&query(head), "api-version", "2019-08-01")?;
    expect(&query(head), "resource", resource())
}

fn resource() -> &'static str {
    SERVICES.strip_suffix("/.default").unwrap()
}

fn query(head: &Parts) -> HashMap<String, String> {
    let query = head.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn is_post_of(head: &Parts, kind: &str) -> Result<(), String> {
    let is_kind = head.headers.get("content-type").is_some_and(|value| value == kind);
    (head.method == "POST" && is_kind).then_some(()).ok_or_else(|| format!("no POST of {kind}"))
}

/// RFC 6749 section 4.4, by the secret of the application or by what the cluster says of the pod.
fn check_entra(head: &Parts, body: &[u8]) -> Result<(), String> {
    is_post_of(head, "application/x-www-form-urlencoded")?;
    let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let form = &form;
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
