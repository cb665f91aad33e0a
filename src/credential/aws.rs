//! Identities of Amazon Web Services: each request is signed (Signature Version 4) with an access
//! key, which is given, or granted for a while by AWS's chain or its token service.

pub mod host;
mod issuer;
mod sign;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use futures::FutureExt;
use futures::future::BoxFuture;

use self::host::AwsHost;
use self::issuer::Issuer;
use self::sign::Scope;
use super::{Identity, IdentityError, Outgoing, Renewal};

/// An access key as it was given.
pub struct AccessKey<'a> {
    /// The public half.
    pub id: &'a str,
    /// The secret half.
    pub secret: &'a str,
    /// What belongs to a temporary one.
    pub session_token: Option<&'a str>,
}

/// A role to be assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The role's name.
    pub arn: String,
    /// What its trust policy may ask for.
    pub external_id: Option<String>,
    /// How AWS's logs speak of the session.
    pub session_name: String,
}

/// An identity of AWS.
pub struct Aws {
    /// The region to sign for; `None`: the one in the host's name.
    region: Option<String>,
    keys: Keys,
}

enum Keys {
    /// One for good.
    Given(Credentials),
    /// Ones that expire.
    Granted { issuer: Arc<Issuer>, renewal: Renewal<Credentials> },
}

/// Says nothing of what it holds.
impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Aws {
    /// An identity that signs with `key` or, without one, what AWS's chain finds in the gateway's
    /// surroundings, or with what `role` is granted by means of those. Nothing is asked for yet.
    pub fn new(region: Option<String>, key: Option<AccessKey<'_>>, role: Option<Role>) -> Self {
        let given = key.map(|AccessKey { id, secret, session_token }| {
            Credentials::new(id, secret, session_token.map(Into::into), None, "given")
        });
        let keys = match (given, role) {
            (Some(key), None) => Keys::Given(key),
            (given, role) => {
                let issuer = Arc::new(Issuer::new(given, role, region.clone()));
                let renewal = Renewal::new({
                    let issuer = Arc::clone(&issuer);
                    move || {
                        let issuer = Arc::clone(&issuer);
                        async move { issuer.grant().await }
                    }
                });
                Keys::Granted { issuer, renewal }
            }
        };
        Self { region, keys }
    }

    async fn key(&self, region: &str) -> Result<Credentials, IdentityError> {
        match &self.keys {
            Keys::Given(key) => Ok(key.clone()),
            Keys::Granted { issuer, renewal } => {
                issuer.is_needed_in(region);
                renewal.get().await
            }
        }
    }

    async fn sign(&self, outgoing: Outgoing<'_>) -> Result<(), IdentityError> {
        let host = AwsHost::read(hostname(outgoing.authority));
        let region = self.region.as_deref().or(host.map(|host| host.region));
        let region = region.ok_or_else(|| {
            IdentityError::Unsignable(
                "the target's host tells no region, nor does the store".into(),
            )
        })?;
        let key = self.key(region).await?;
        let service = host.map_or(outgoing.service, |host| host.service);
        let scope = Scope { region, service };
        sign::sign(outgoing, &key, scope, SystemTime::now())
    }
}

impl Identity for Aws {
    fn prove<'a>(&'a self, outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<(), IdentityError>> {
        self.sign(outgoing).boxed()
    }

    fn refused(&self) -> bool {
        match &self.keys {
            Keys::Given(_) => false,
            Keys::Granted { renewal, .. } => renewal.discard(),
        }
    }
}

/// The host of an authority, without its port.
fn hostname(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}
