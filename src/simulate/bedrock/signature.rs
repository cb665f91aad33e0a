//! Signature Version 4, checked as AWS documents it and with nothing of the gateway's.
//!
//! Source: "Signature Version 4 signing process" in AWS's IAM User Guide.

use std::{
    collections::BTreeSet,
    fmt,
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, StatusCode, request::Parts};
use jiff::{civil::DateTime, tz::TimeZone};
use secrecy::{ExposeSecret, SecretString};

use crate::simulate::answer::Refusal;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How far a signature's time may be from the service's.
const TOLERATED: Duration = Duration::from_secs(5 * 60);

/// What AWS's times look like.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// An access key that a service of AWS knows.
#[derive(Debug, Clone)]
pub struct AccessKey {
    id: String,
    secret: SecretString,
    token: Option<SecretString>,
    expired: bool,
}

impl AccessKey {
    /// A key for good.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        let secret = SecretString::from(secret.into());
        Self { id: id.into(), secret, token: None, expired: false }
    }

    /// The same as a temporary one, which is good with this token only.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(SecretString::from(token.into()));
        self
    }

    /// The same when its time is over.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.expired = true;
        self
    }
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned {
    /// AWS's name of the error.
    pub kind: &'static str,
    /// AWS's words.
    pub message: String,
}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl From<Unsigned> for Refusal {
    fn from(Unsigned { kind, message }: Unsigned) -> Self {
        Self { kind: Some(kind.to_owned()), ..Self::new(StatusCode::FORBIDDEN, message) }
    }
}

/// Whether a request is signed at all.
pub(in crate::simulate) fn is_signed(headers: &HeaderMap) -> bool {
    text(headers, "authorization").is_some_and(|value| value.starts_with(ALGORITHM))
}

/// Checks that a request is signed with one of `keys` for `service`, at about `now`.
///
/// # Errors
///
/// When it is not, with what AWS would say.
pub fn check_signature(
    head: &Parts,
    body: &[u8],
    service: &str,
    keys: &[AccessKey],
    now: SystemTime,
) -> Result<(), Unsigned> {
    let claim = Claim::read(&head.headers)?;
    let unknown = || Unsigned {
        kind: "UnrecognizedClientException",
        message: "The security token included in the request is invalid.".to_owned(),
    };
    let key = keys.iter().find(|key| key.id == claim.key).ok_or_else(unknown)?;
    let token = key.token.as_ref().map(ExposeSecret::expose_secret);
    if text(&head.headers, "x-amz-security-token") != token {
        return Err(unknown());
    }
    if key.expired {
        let message = "The security token included in the request is expired".to_owned();
        return Err(Unsigned { kind: "ExpiredTokenException", message });
    }
    claim.check_time(now)?;
    if claim.service != service {
        return Err(invalid(format!(
            "Credential should be scoped to correct service: '{service}'."
        )));
    }
    claim.check_headers(&head.headers)?;
    let canonical = claim.canonical_request(head, body);
    let Claim { day, region, service, .. } = claim;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let signed = format!("{ALGORITHM}\n{}\n{scope}\n{hashed}", claim.time);
    let secret = format!("AWS4{}", key.secret.expose_secret());
    let mut derived = mac(secret.as_bytes(), day);
    for part in [region, service, "aws4_request"] {
        derived = mac(derived.as_ref(), part);
    }
    if hex(mac(derived.as_ref(), &signed).as_ref()) == claim.signature {
        return Ok(());
    }
    Err(invalid(
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for details.",
    ))
}

/// What a request says of its signature.
#[derive(Clone, Copy)]
struct Claim<'a> {
    key: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    headers: &'a str,
    signature: &'a str,
    time: &'a str,
}

impl<'a> Claim<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Self, Unsigned> {
        let incomplete = |what: &str| Unsigned {
            kind: "IncompleteSignatureException",
            message: format!("Authorization header requires {what}."),
        };
        let parts = text(headers, "authorization").and_then(|value| value.strip_prefix(ALGORITHM));
        let parts = parts.ok_or_else(|| incomplete("'AWS4-HMAC-SHA256'"))?;
        let named = |name: &str| {
            let mut parts = parts.split(',').map(str::trim);
            let found = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| incomplete(&format!("'{name}' parameter")))
        };
        let scope: Vec<&str> = named("Credential")?.split('/').collect();
        let [key, day, region, service, "aws4_request"] = scope[..] else {
            return Err(incomplete("a credential with five elements"));
        };
        let (headers_signed, signature) = (named("SignedHeaders")?, named("Signature")?);
        let time = text(headers, "x-amz-date").ok_or_else(|| incomplete("'X-Amz-Date'"))?;
        Ok(Self { key, day, region, service, headers: headers_signed, signature, time })
    }

    fn check_time(&self, now: SystemTime) -> Result<(), Unsigned> {
        let time = DateTime::strptime(TIME, self.time).ok();
        let time = time.and_then(|time| time.to_zoned(TimeZone::UTC).ok());
        let time = time.map(|time| SystemTime::from(time.timestamp()));
        let Some(time) = time.filter(|_| self.time.starts_with(self.day)) else {
            return Err(invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601"));
        };
        if time + TOLERATED < now {
            return Err(invalid(format!("Signature expired: {} is too early", self.time)));
        }
        if time > now + TOLERATED {
            return Err(invalid(format!("Signature not yet current: {} is too late", self.time)));
        }
        Ok(())
    }

    /// The host and everything of AWS's own has to be covered.
    fn check_headers(&self, headers: &HeaderMap) -> Result<(), Unsigned> {
        let covered: BTreeSet<&str> = self.headers.split(';').collect();
        let own = headers.keys().map(http::HeaderName::as_str);
        let own = own.filter(|name| name.starts_with("x-amz-"));
        match own.chain(["host"]).find(|name| !covered.contains(name)) {
            None => Ok(()),
            Some(name) => {
                Err(invalid(format!("'{name}' must be a 'SignedHeader' in the Credential.")))
            }
        }
    }

    fn canonical_request(&self, head: &Parts, body: &[u8]) -> String {
        let mut headers = String::new();
        for name in self.headers.split(';') {
            let values = head.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            let mut values: Vec<String> = values
                .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            // HTTP/2 has another place for it.
            if name == "host" && values.is_empty() {
                values.extend(head.uri.authority().map(ToString::to_string));
            }
            // Writing to a string does not fail.
            let _ = writeln!(headers, "{name}:{}", values.join(","));
        }
        let mut query: Vec<(String, String)> = head.uri.query().map_or_else(Vec::new, |query| {
            let pair = |pair: &str| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (encoded_again(name), encoded_again(value))
            };
            query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
        });
        query.sort();
        let query: Vec<String> =
            query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            head.method,
            // Every service but S3 takes the path as it was sent and encodes it once more.
            encoded(head.uri.path(), true),
            query.join("&"),
            self.headers,
            hex(digest::digest(&digest::SHA256, body).as_ref()),
        )
    }
}

/// Decoded, and encoded as it is for signatures.
fn encoded_again(text: &str) -> String {
    encoded(&crate::simulate::endpoint::decoded(text), false)
}

fn encoded(text: &str, keeps_slashes: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain || (keeps_slashes && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn invalid(message: impl Into<String>) -> Unsigned {
    Unsigned { kind: "InvalidSignatureException", message: message.into() }
}

#[cfg(test)]
mod tests;
