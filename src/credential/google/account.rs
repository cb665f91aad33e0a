//! The key of a service account, as Google Cloud hands it out.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

/// A service account and the private key by which it proves itself: with tokens that it signs itself
/// (AIP-4111), so nobody is asked for them, wherever the key says to ask.
pub struct ServiceAccountKey {
    email: String,
    json: SecretString,
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
    #[error("holds no RSA key in PEM (PKCS #8) as `private_key`")]
    PrivateKey,
}

/// What every key has, and what tokens are made with.
#[derive(Deserialize)]
struct Members {
    client_email: String,
    private_key: SecretString,
    #[serde(rename = "private_key_id")]
    _private_key_id: String,
    #[serde(rename = "project_id")]
    _project_id: String,
    #[serde(rename = "universe_domain")]
    _universe_domain: Option<String>,
}

impl ServiceAccountKey {
    /// Reads the JSON of a key.
    pub fn parse(json: &str) -> Result<Self, InvalidAccountKey> {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
        }
        let kind: Kind = serde_json::from_str(json).map_err(|_| InvalidAccountKey::NotAKey)?;
        if kind.r#type != "service_account" {
            return Err(InvalidAccountKey::OtherType);
        }
        let members: Members =
            serde_json::from_str(json).map_err(|_| InvalidAccountKey::NotAKey)?;
        let pem = members.private_key.expose_secret();
        PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .ok()
            .and_then(|der| KeyPair::from_pkcs8(der.secret_pkcs8_der()).ok())
            .ok_or(InvalidAccountKey::PrivateKey)?;
        Ok(Self { email: members.client_email, json: json.into() })
    }

    /// The key for Google's crate.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(self.json.expose_secret()).unwrap_or_default()
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
        "project_id": "nowhere",
        "private_key_id": "0",
        "private_key": pem,
        "client_email": "nobody@nowhere.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    Some(key.to_string())
}
