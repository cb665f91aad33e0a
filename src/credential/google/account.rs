//! The key of a service account, as Google Cloud hands it out.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Uri;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{SCOPE, TOKEN_ENDPOINT};
use crate::credential::{Author, Fetched, IdentityError};

/// Where tokens are asked for if a key does not say it.
pub(super) const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest that Google's token endpoint takes.
const LIFETIME: Duration = Duration::from_secs(3600);
/// An assertion is dated back by this much, for clocks that are a little fast: one from the future
/// is refused.
const SKEW: Duration = Duration::from_secs(10);

/// A service account and the private key by which it proves itself.
pub struct ServiceAccountKey {
    email: String,
    key_id: Option<String>,
    token_uri: Uri,
    key: KeyPair,
}

/// Names the account alone.
impl fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceAccountKey({})", self.email)
    }
}

/// Why a text is no usable key of a service account. Nothing of the text is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccountKey {
    /// No JSON object with the members of a key.
    #[error("is no key of a service account: give the whole JSON file that Google Cloud hands out")]
    NotAKey,
    /// Another kind of credentials.
    #[error(
        "is no key of a service account: its `type` must be `service_account` (other credentials \
         are for the gateway's own identity, by GOOGLE_APPLICATION_CREDENTIALS)"
    )]
    OtherType,
    /// The private key cannot be used.
    #[error("holds no RSA key in PEM as `private_key`")]
    PrivateKey,
    /// Tokens would be asked for elsewhere.
    #[error("names a `token_uri` that is not https at a host of googleapis.com")]
    TokenUri,
}

/// What is read of the file.
#[derive(Deserialize)]
pub(super) struct AccountFile {
    client_email: String,
    private_key: SecretString,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

impl ServiceAccountKey {
    /// Reads the JSON of a key.
    pub fn parse(json: &str, author: Author) -> Result<Self, InvalidAccountKey> {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
        }
        let kind: Kind = serde_json::from_str(json).map_err(|_| InvalidAccountKey::NotAKey)?;
        if kind.r#type != "service_account" {
            return Err(InvalidAccountKey::OtherType);
        }
        let file: AccountFile =
            serde_json::from_str(json).map_err(|_| InvalidAccountKey::NotAKey)?;
        Self::of_file(&file, author)
    }

    pub(super) fn of_file(file: &AccountFile, author: Author) -> Result<Self, InvalidAccountKey> {
        let url = file.token_uri.as_deref().unwrap_or(TOKEN_URI);
        let token_uri = author.issuer(url, is_googles).ok_or(InvalidAccountKey::TokenUri)?;
        let key = key_pair(&file.private_key).ok_or(InvalidAccountKey::PrivateKey)?;
        let (email, key_id) = (file.client_email.clone(), file.private_key_id.clone());
        Ok(Self { email, key_id, token_uri, key })
    }

    /// Asks for a token (RFC 7523 section 2.1).
    pub(super) async fn token(&self) -> Result<Fetched<String>, IdentityError> {
        let assertion = self.assertion(SystemTime::now())?;
        let form = [("grant_type", GRANT), ("assertion", assertion.expose_secret())];
        let answer = TOKEN_ENDPOINT.post(&self.token_uri, &form).await?;
        TOKEN_ENDPOINT.token(&answer)
    }

    fn assertion(&self, now: SystemTime) -> Result<SecretString, IdentityError> {
        let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(SKEW);
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri.to_string(),
            "iat": issued.as_secs(),
            "exp": (issued + LIFETIME).as_secs(),
        });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| TOKEN_ENDPOINT.refused("the private key does not sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

/// The JSON of a key of no account, freshly made: for where the form of a key is all that matters.
/// `None` if the machine has no random numbers.
pub fn stand_in() -> Option<String> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let body = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let key = json!({
        "type": "service_account",
        "client_email": "nobody@nowhere.iam.gserviceaccount.com",
        "private_key": pem,
        "token_uri": TOKEN_URI,
    });
    Some(key.to_string())
}

fn key_pair(pem: &SecretString) -> Option<KeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

/// Hosts where Google grants tokens; the last is in keys of before 2018.
pub(super) fn is_googles(host: &str) -> bool {
    host.strip_suffix(".googleapis.com").is_some_and(|name| !name.is_empty())
        || host == "accounts.google.com"
}
