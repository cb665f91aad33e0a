//! What the gateway itself runs as: Application Default Credentials (AIP-4110).

use std::path::PathBuf;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::account::{AccountFile, ServiceAccountKey, TOKEN_URI, is_googles};
use super::federated::{ExternalAccount, impersonated};
use super::{SCOPE, TOKEN_ENDPOINT, Token};
use crate::credential::environment::{Environment, read};
use crate::credential::issuer::Issuer;
use crate::credential::{Author, Fetched, IdentityError};

const OWN: Issuer = Issuer("the gateway's own Google credentials");
const METADATA: Issuer = Issuer("Google's metadata server");

/// The kinds of a credentials file (AIP-4110 and AIP-4117). The operator wrote it.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum CredentialsFile {
    ServiceAccount(AccountFile),
    AuthorizedUser(AuthorizedUser),
    ExternalAccount(ExternalAccount),
    ImpersonatedServiceAccount(ImpersonatedAccount),
}

/// What is the same in all kinds.
#[derive(Deserialize)]
struct Quota {
    quota_project_id: Option<String>,
}

/// A person, by `gcloud auth application-default login`.
#[derive(Deserialize)]
pub(super) struct AuthorizedUser {
    client_id: String,
    client_secret: SecretString,
    refresh_token: SecretString,
    token_uri: Option<String>,
}

/// A service account that somebody else may act as.
#[derive(Deserialize)]
pub(super) struct ImpersonatedAccount {
    service_account_impersonation_url: String,
    #[serde(default)]
    delegates: Vec<String>,
    source_credentials: Box<CredentialsFile>,
}

/// A token of the gateway's own identity. Everything is read anew: a mounted file changes.
pub(super) async fn token(environment: &Environment) -> Result<Token, IdentityError> {
    let override_project = environment.get("GOOGLE_CLOUD_QUOTA_PROJECT");
    let Some(json) = credentials_file(environment).await? else {
        return Ok(Token { token: metadata(environment).await?, user_project: override_project });
    };
    // What serde says of a mistake may repeat a piece of the text.
    let unreadable = |_| {
        OWN.refused(
            "the credentials file is none of the kinds `service_account`, `authorized_user`, \
             `external_account` and `impersonated_service_account`, or lacks a part of its kind",
        )
    };
    let file: CredentialsFile = serde_json::from_str(json.expose_secret()).map_err(unreadable)?;
    let quota: Quota = serde_json::from_str(json.expose_secret()).map_err(unreadable)?;
    let user_project = override_project.or(quota.quota_project_id);
    Ok(Token { token: file.token().await?, user_project })
}

/// The file that `GOOGLE_APPLICATION_CREDENTIALS` names, else that of gcloud if there is one.
async fn credentials_file(
    environment: &Environment,
) -> Result<Option<SecretString>, IdentityError> {
    if let Some(path) = environment.get("GOOGLE_APPLICATION_CREDENTIALS") {
        let text = read(path).await.map_err(|error| {
            OWN.refused(format!("the file of GOOGLE_APPLICATION_CREDENTIALS: {error}"))
        })?;
        return Ok(Some(text.into()));
    }
    let folder = environment.get("CLOUDSDK_CONFIG").map(PathBuf::from);
    let folder = folder
        .or_else(|| Some(PathBuf::from(environment.get("HOME")?).join(".config").join("gcloud")));
    let Some(folder) = folder else { return Ok(None) };
    let text = read(folder.join("application_default_credentials.json")).await;
    Ok(text.ok().map(Into::into))
}

impl CredentialsFile {
    /// The token that it gives. Boxed, since one kind holds another.
    pub(super) fn token(&self) -> BoxFuture<'_, Result<Fetched<String>, IdentityError>> {
        async move {
            match self {
                Self::ServiceAccount(file) => {
                    let key = ServiceAccountKey::of_file(file, Author::Operator);
                    let unusable = |error| OWN.refused(format!("the credentials file {error}"));
                    key.map_err(unusable)?.token().await
                }
                Self::AuthorizedUser(user) => user.token().await,
                Self::ExternalAccount(account) => account.token().await,
                Self::ImpersonatedServiceAccount(account) => {
                    let base = account.source_credentials.token().await?.value;
                    let url = &account.service_account_impersonation_url;
                    impersonated(url, &account.delegates, &base).await
                }
            }
        }
        .boxed()
    }
}

impl AuthorizedUser {
    async fn token(&self) -> Result<Fetched<String>, IdentityError> {
        let url = issuer(self.token_uri.as_deref().unwrap_or(TOKEN_URI), "token_uri")?;
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose_secret()),
            ("refresh_token", self.refresh_token.expose_secret()),
        ];
        let answer = TOKEN_ENDPOINT.post(&url, &form).await?;
        TOKEN_ENDPOINT.token(&answer)
    }
}

/// The service account of the machine or, with workload identity, of the pod.
async fn metadata(environment: &Environment) -> Result<Fetched<String>, IdentityError> {
    let host = environment.get("GCE_METADATA_HOST");
    let host = host.as_deref().unwrap_or("metadata.google.internal");
    let url = format!(
        "http://{host}/computeMetadata/v1/instance/service-accounts/default/token?scopes={SCOPE}"
    );
    let request = Request::get(url).header("metadata-flavor", "Google").body(Bytes::new());
    let request = request.map_err(|_| METADATA.refused("GCE_METADATA_HOST is no host"))?;
    METADATA.token(&METADATA.ask(request).await?)
}

/// A URL of the credentials file that is asked with a secret.
pub(super) fn issuer(url: &str, member: &str) -> Result<Uri, IdentityError> {
    Author::Operator.issuer(url, is_googles).ok_or_else(|| {
        OWN.refused(format!("`{member}` of the credentials file must be an https URL"))
    })
}
