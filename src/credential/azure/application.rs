//! An application (service principal) of Entra ID that proves itself with a secret.

use std::fmt;

use http::Uri;
use secrecy::{ExposeSecret, SecretString};

use super::ENTRA;
use crate::credential::{Author, Fetched, IdentityError};

/// Where Entra ID is asked unless something else is said.
pub(super) const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";
/// Entra ID of the public cloud, of the US government's and of China's, the latter with its old name.
const AUTHORITY_HOSTS: [&str; 4] = [
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
];

/// An application and its secret.
pub struct Application {
    client_id: String,
    client_secret: SecretString,
    endpoint: Uri,
}

/// Names the application alone.
impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Application({})", self.client_id)
    }
}

/// Where Entra ID is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityHost(Uri);

/// Why an application cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApplication {
    /// The tenant cannot stand in a URL.
    #[error("must be the id of a tenant or one of its domains")]
    Tenant,
    /// Tokens would be asked for elsewhere.
    #[error(
        "must be https://login.microsoftonline.com, https://login.microsoftonline.us or \
         https://login.partner.microsoftonline.cn"
    )]
    AuthorityHost,
}

impl AuthorityHost {
    /// Reads `https://HOST`.
    pub fn parse(url: &str, author: Author) -> Result<Self, InvalidApplication> {
        let official = |host: &str| AUTHORITY_HOSTS.contains(&host);
        let url = author.issuer(url, official).filter(|url| {
            // The tenant is the first part of the path.
            url.path_and_query().is_none_or(|path| path.as_str() == "/")
        });
        url.map(Self).ok_or(InvalidApplication::AuthorityHost)
    }

    /// The token endpoint of a tenant.
    pub(super) fn endpoint(&self, tenant: &str) -> Result<Uri, InvalidApplication> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let named = tenant.bytes().any(|byte| byte.is_ascii_alphanumeric());
        if !(named && tenant.bytes().all(plain)) {
            return Err(InvalidApplication::Tenant);
        }
        let base = self.0.to_string();
        let url = format!("{}/{tenant}/oauth2/v2.0/token", base.trim_end_matches('/'));
        url.parse().map_err(|_| InvalidApplication::Tenant)
    }
}

impl Default for AuthorityHost {
    fn default() -> Self {
        Self(Uri::from_static(PUBLIC_CLOUD))
    }
}

impl Application {
    /// The application `client_id` of a tenant.
    pub fn new(
        authority: &AuthorityHost,
        tenant: &str,
        client_id: &str,
        client_secret: &str,
    ) -> Result<Self, InvalidApplication> {
        let endpoint = authority.endpoint(tenant)?;
        Ok(Self { client_id: client_id.into(), client_secret: client_secret.into(), endpoint })
    }

    /// Asks for a token (RFC 6749 section 4.4).
    pub(super) async fn token(&self, scope: &str) -> Result<Fetched<String>, IdentityError> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose_secret()),
            ("scope", scope),
        ];
        ENTRA.token(&ENTRA.post(&self.endpoint, &form).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_names_the_clouds_own_authorities_alone() {
        for host in AUTHORITY_HOSTS {
            AuthorityHost::parse(&format!("https://{host}"), Author::Tenant).expect(host);
            AuthorityHost::parse(&format!("https://{host}/"), Author::Tenant).expect(host);
        }
        for url in [
            "https://login.example",
            "http://login.microsoftonline.com",
            "https://login.microsoftonline.com/common",
            "https://login.microsoftonline.com/?a=b",
        ] {
            let refused = AuthorityHost::parse(url, Author::Tenant);
            assert_eq!(refused, Err(InvalidApplication::AuthorityHost), "{url}");
        }
        AuthorityHost::parse("http://127.0.0.1:1", Author::Operator).expect("a local one");
    }

    #[test]
    fn a_tenant_is_one_part_of_the_path() {
        let authority = AuthorityHost::default();
        let url = "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token";
        assert_eq!(authority.endpoint("contoso.example").expect("valid"), url);
        for tenant in ["", ".", "..", "a/b", "a?b", "a b", "a%2fb"] {
            assert_eq!(authority.endpoint(tenant), Err(InvalidApplication::Tenant), "{tenant}");
        }
    }

    #[test]
    fn debug_names_the_application_alone() {
        let authority = AuthorityHost::default();
        let application = Application::new(&authority, "t", "the-app", "s3cret").expect("valid");
        assert_eq!(format!("{application:?}"), "Application(the-app)");
    }
}
