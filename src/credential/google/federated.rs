//! Identities that Google grants to those whom somebody else vouches for (AIP-4117): workloads in
//! other clouds and clusters, and service accounts that another identity may act as.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Uri};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::SCOPE;
use super::default::issuer;
use crate::credential::environment::read;
use crate::credential::issuer::{Issuer, bearer};
use crate::credential::{Fetched, IdentityError};

const STS: Issuer = Issuer("Google's security token service");
const IAM: Issuer = Issuer("Google's IAM credentials service");
const SUBJECT: Issuer = Issuer("the source of the workload's token");

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The longest that the IAM credentials service grants without an organisation's consent.
const LIFETIME: &str = "3600s";

/// Who is vouched for, by whom, and where the voucher is.
#[derive(Deserialize)]
pub(super) struct ExternalAccount {
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: Option<String>,
    credential_source: Source,
}

/// Where the workload's own token is.
#[derive(Deserialize)]
struct Source {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    format: Format,
    /// Tells sources in AWS, which have a `url` as well, from others.
    environment_id: Option<String>,
}

/// What the source holds.
#[derive(Deserialize, Default)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format {
    /// The token itself.
    #[default]
    Text,
    /// An object with the token in it.
    Json { subject_token_field_name: String },
}

impl ExternalAccount {
    pub(super) async fn token(&self) -> Result<Fetched<String>, IdentityError> {
        let url = issuer(&self.token_url, "token_url")?;
        let subject = self.credential_source.subject_token().await?;
        let form = [
            ("grant_type", EXCHANGE),
            ("audience", &self.audience),
            ("scope", SCOPE),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token_type", &self.subject_token_type),
            ("subject_token", subject.expose_secret()),
        ];
        let token = STS.token(&STS.post(&url, &form).await?)?;
        match &self.service_account_impersonation_url {
            Some(url) => impersonated(url, &[], &token.value).await,
            None => Ok(token),
        }
    }
}

impl Source {
    async fn subject_token(&self) -> Result<SecretString, IdentityError> {
        let text = match (&self.file, &self.url, &self.environment_id) {
            (Some(file), None, None) => read(file).await.map_err(|error| {
                SUBJECT.refused(format!("the file of `credential_source`: {error}"))
            })?,
            (None, Some(url), None) => ask(url, &self.headers).await?,
            _ => {
                return Err(SUBJECT.refused(
                    "`credential_source` must be a `file` or a `url`: programs, certificates and \
                     AWS are not supported",
                ));
            }
        };
        let token = match &self.format {
            Format::Text => Some(text),
            Format::Json { subject_token_field_name: name } => {
                let value: Value = serde_json::from_str(&text).unwrap_or_default();
                value[name].as_str().map(str::to_owned)
            }
        };
        let token = token.filter(|token| !token.is_empty());
        token.map(Into::into).ok_or_else(|| SUBJECT.refused("it holds no token"))
    }
}

async fn ask(url: &str, headers: &BTreeMap<String, String>) -> Result<String, IdentityError> {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let invalid = |_| SUBJECT.refused("the URL or a header of `credential_source` is invalid");
    let answer = SUBJECT.ask(request.body(Bytes::new()).map_err(invalid)?).await?;
    SUBJECT.text(&answer).map(str::to_owned)
}

/// A token of the service account that `url` names, granted to whoever has the token `base`.
pub(super) async fn impersonated(
    url: &str,
    delegates: &[String],
    base: &str,
) -> Result<Fetched<String>, IdentityError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Granted {
        access_token: String,
        expire_time: Timestamp,
    }

    let url: Uri = issuer(url, "service_account_impersonation_url")?;
    let mut body = json!({ "scope": [SCOPE], "lifetime": LIFETIME });
    if !delegates.is_empty() {
        body["delegates"] = json!(delegates);
    }
    let proof = bearer(base).ok_or_else(|| IAM.refused("the token for it fits no header"))?;
    let request = Request::post(url)
        .header(AUTHORIZATION, proof)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/json")
        .body(body.to_string().into());
    let request = request.map_err(|_| IAM.refused("its URL is invalid"))?;
    let answer = IAM.ask(request).await?;
    let Granted { access_token, expire_time } = IAM.read(&answer)?;
    let left = SystemTime::from(expire_time).duration_since(SystemTime::now());
    let lifetime = Some(left.unwrap_or(Duration::ZERO));
    Ok(Fetched { value: access_token, lifetime })
}
