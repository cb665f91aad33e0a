//! An application (service principal) of Entra ID that proves itself with a secret.

use std::fmt;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::ClientOptions;
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use http::Uri;

use super::wire::Wire;
use super::{Asking, options};
use crate::credential::Author;

/// Where Entra ID is asked unless something else is said.
const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";
/// Entra ID, in messages.
pub(super) const ENTRA: &str = "Entra ID";
/// Entra ID of the public cloud, of the US government's and of China's, the latter with its old name.
const AUTHORITY_HOSTS: [&str; 4] = [
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
];

/// An application and its secret.
pub struct Application {
    authority: AuthorityHost,
    tenant: String,
    client_id: String,
    client_secret: Secret,
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

    /// What carries requests there.
    pub(super) fn wire(&self) -> Wire {
        Wire::new(Some(self.0.clone()))
    }

    /// What has the crate ask there. It takes https alone; the wire knows better.
    pub(super) fn options(&self, options: ClientOptions) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host =
            self.0.authority().map_or_else(String::new, |host| format!("https://{host}"));
        ClientOptions { cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))), ..options }
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
        if !is_tenant(tenant) {
            return Err(InvalidApplication::Tenant);
        }
        Ok(Self {
            authority: authority.clone(),
            tenant: tenant.into(),
            client_id: client_id.into(),
            client_secret: Secret::new(client_secret.to_owned()),
        })
    }

    /// What asks for a token (RFC 6749 section 4.4).
    pub(super) fn asking(&self) -> Asking {
        let wire = Arc::new(self.authority.wire());
        let client_options = self.authority.options(options(&wire));
        let credential = ClientSecretCredential::new(
            &self.tenant,
            self.client_id.clone(),
            self.client_secret.clone(),
            Some(ClientSecretCredentialOptions { client_options }),
        );
        let credential = credential.map(|credential| credential as Arc<dyn TokenCredential>);
        Asking { issuer: ENTRA, wire, credential }
    }
}

/// Whether it is one part of a path. The crate lets `..` pass.
fn is_tenant(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    text.bytes().any(|byte| byte.is_ascii_alphanumeric()) && text.bytes().all(plain)
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
        let of = |tenant| Application::new(&authority, tenant, "app", "s3cret").map(drop);
        assert_eq!(of("contoso.example"), Ok(()));
        for tenant in ["", ".", "..", "a/b", "a?b", "a b", "a%2fb"] {
            assert_eq!(of(tenant), Err(InvalidApplication::Tenant), "{tenant}");
        }
    }

    #[test]
    fn debug_names_the_application_alone() {
        let authority = AuthorityHost::default();
        let application = Application::new(&authority, "t", "the-app", "s3cret").expect("valid");
        assert_eq!(format!("{application:?}"), "Application(the-app)");
    }
}
