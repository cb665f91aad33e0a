//! Who grants access keys of AWS: a token service, a container's endpoint and an instance's.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use parking_lot::Mutex;
use pilothouse::simulate::{AccessKey, check_signature};
use serde_json::json;
use tokio::net::TcpListener;

/// The token of the cluster that the token service takes.
pub const JWT: &str = "header.payload.signature";
/// The token that the container's endpoint takes.
pub const CONTAINER: &str = "token-of-the-container";
/// The token that the instance gives and takes.
const INSTANCE: &str = "token-of-the-instance";

/// How long what it grants is good for.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The key of that number that it grants.
pub fn granted(number: usize) -> AccessKey {
    AccessKey::new(format!("AKID{number}"), format!("secret{number}"))
        .with_token(format!("token{number}"))
}

/// A running issuer.
pub struct Issuer {
    pub origin: String,
    desk: Arc<Desk>,
    serving: tokio::task::JoinHandle<()>,
}

struct Desk {
    asked: Mutex<Vec<String>>,
    /// How many keys it grants before it is out of order.
    limit: usize,
    /// Who may assume a role.
    known: Vec<AccessKey>,
}

impl Issuer {
    pub async fn start() -> Self {
        Self::with(usize::MAX, Vec::new()).await
    }

    /// One that fails after so many grants.
    pub async fn granting(limit: usize) -> Self {
        Self::with(limit, Vec::new()).await
    }

    /// One that lets this key assume roles.
    pub async fn knowing(key: AccessKey) -> Self {
        Self::with(usize::MAX, vec![key]).await
    }

    async fn with(limit: usize, known: Vec<AccessKey>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let desk = Arc::new(Desk { asked: Mutex::default(), limit, known });
        let serving = tokio::spawn({
            let desk = Arc::clone(&desk);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let desk = Arc::clone(&desk);
                    let service = service_fn(move |request| answer(Arc::clone(&desk), request));
                    let http = hyper::server::conn::http1::Builder::new();
                    tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
                }
            }
        });
        Self { origin, desk, serving }
    }

    /// The container's endpoint.
    pub fn container(&self) -> String {
        format!("{}/container", self.origin)
    }

    /// What it was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.desk.asked.lock().clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    desk: Arc<Desk>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let (status, text) = desk.answer(&head, &body);
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    // The instance's token comes with it.
    response.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", 21600.into());
    Ok(response)
}

impl Desk {
    fn answer(&self, head: &Parts, body: &Bytes) -> (StatusCode, String) {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let role = "/latest/meta-data/iam/security-credentials/";
        let of_instance = header("x-aws-ec2-metadata-token") == Some(INSTANCE);
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/") => self.token_service(head, body),
            (&Method::GET, "/container") if header("authorization") == Some(CONTAINER) => {
                self.grant("container", granted_as_json)
            }
            (&Method::PUT, "/latest/api/token")
                if header("x-aws-ec2-metadata-token-ttl-seconds").is_some() =>
            {
                (StatusCode::OK, INSTANCE.to_owned())
            }
            (&Method::GET, path) if of_instance && path == role => {
                (StatusCode::OK, "gateway".to_owned())
            }
            (&Method::GET, path) if of_instance && path.strip_prefix(role) == Some("gateway") => {
                self.grant("instance", granted_as_json)
            }
            (method, path) => {
                let said = format!("{method} {path} by nobody it knows");
                self.asked.lock().push(said);
                (StatusCode::FORBIDDEN, String::new())
            }
        }
    }

    fn token_service(&self, head: &Parts, body: &Bytes) -> (StatusCode, String) {
        let form: BTreeMap<String, String> = form(body);
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let action = field("Action");
        let said = match action {
            "AssumeRoleWithWebIdentity" if field("WebIdentityToken") == JWT => action.to_owned(),
            "AssumeRole" => {
                let now = SystemTime::now();
                if let Err(why) = check_signature(head, body, "sts", &self.known, now) {
                    let text = format!(
                        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                         <Message>{why}: {} is not authorized</Message></Error>\
                         <RequestId>r</RequestId></ErrorResponse>",
                        field("RoleArn")
                    );
                    return (StatusCode::FORBIDDEN, text);
                }
                let [role, external, session] = ["RoleArn", "ExternalId", "RoleSessionName"];
                format!("{action} {} {} {}", field(role), field(external), field(session))
            }
            _ => format!("{action} that it does not know"),
        };
        self.grant(&said, |number, until| {
            format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <{action}Result><Credentials><AccessKeyId>AKID{number}</AccessKeyId>\
                 <SecretAccessKey>secret{number}</SecretAccessKey>\
                 <SessionToken>token{number}</SessionToken><Expiration>{until}</Expiration>\
                 </Credentials></{action}Result></{action}Response>"
            )
        })
    }

    fn grant(&self, said: &str, write: impl FnOnce(usize, &str) -> String) -> (StatusCode, String) {
        let mut asked = self.asked.lock();
        asked.push(said.to_owned());
        if asked.len() > self.limit {
            return (StatusCode::SERVICE_UNAVAILABLE, String::new());
        }
        let until = Timestamp::try_from(SystemTime::now() + LIFETIME).unwrap();
        (StatusCode::OK, write(asked.len(), &until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
    }
}

fn granted_as_json(number: usize, until: &str) -> String {
    let granted = json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": format!("AKID{number}"),
        "SecretAccessKey": format!("secret{number}"),
        "Token": format!("token{number}"),
        "Expiration": until,
        "LastUpdated": "2026-01-01T00:00:00Z",
    });
    granted.to_string()
}

fn form(body: &[u8]) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(body).unwrap();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().to_owned();
    for part in parts {
        decoded.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
        decoded.push_str(&part[2..]);
    }
    decoded
}
