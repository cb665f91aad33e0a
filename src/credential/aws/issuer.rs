//! Who grants access keys: AWS's chain, and its token service.

use std::error::Error;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials};
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

use super::Role;
use crate::credential::{Fetched, IdentityError};

/// Longer than every try of AWS's own takes, so that nothing waits for ever.
const LONGEST: Duration = Duration::from_secs(30);

/// The gateway's own identity, in messages.
const CHAIN: &str = "AWS's chain of credentials";
/// The token service, in messages.
const TOKEN_SERVICE: &str = "AWS's token service";

/// Grants access keys.
///
/// What is found in the surroundings is looked at anew every time: files and tokens are replaced
/// there while the gateway runs.
#[derive(Debug)]
pub(super) struct Issuer {
    /// What to ask with; `None`: what the chain finds.
    given: Option<Credentials>,
    role: Option<Role>,
    /// Whose token service to ask, if that was said.
    region: Option<Region>,
    /// The region that was signed for first: it has a token service too.
    needed_in: OnceLock<Region>,
}

impl Issuer {
    pub(super) fn new(
        given: Option<Credentials>,
        role: Option<Role>,
        region: Option<String>,
    ) -> Self {
        Self { given, role, region: region.map(Region::new), needed_in: OnceLock::new() }
    }

    /// Where the keys are to be used.
    pub(super) fn is_needed_in(&self, region: &str) {
        self.needed_in.get_or_init(|| Region::new(region.to_owned()));
    }

    /// Asks for a key.
    pub(super) async fn grant(&self) -> Result<Fetched<Credentials>, IdentityError> {
        let asked = if self.role.is_some() { TOKEN_SERVICE } else { CHAIN };
        let granted = tokio::time::timeout(LONGEST, self.ask()).await;
        let value = granted.unwrap_or_else(|_| Err(refused(asked, "it gave no answer")))?;
        let lifetime = match value.expiry() {
            None => None,
            Some(end) => match end.duration_since(SystemTime::now()) {
                Ok(left) => Some(left),
                Err(_) => return Err(refused(asked, "what it grants has expired already")),
            },
        };
        Ok(Fetched { value, lifetime })
    }

    async fn ask(&self) -> Result<Credentials, IdentityError> {
        let region = self.token_service_region().await;
        let base = match &self.given {
            Some(key) => key.clone(),
            None => {
                let chain = DefaultCredentialsChain::builder().region(region.clone());
                granted(CHAIN, chain.build().await.provide_credentials().await)?
            }
        };
        let Some(role) = &self.role else { return Ok(base) };
        let config = aws_config::defaults(BehaviorVersion::latest()).region(region);
        let config = config.credentials_provider(base.clone()).load().await;
        let mut assumed = AssumeRoleProvider::builder(&role.arn)
            .session_name(&role.session_name)
            .configure(&config);
        if let Some(external_id) = &role.external_id {
            assumed = assumed.external_id(external_id);
        }
        let assumed = assumed.build_from_provider(base).await;
        granted(TOKEN_SERVICE, assumed.provide_credentials().await)
    }

    /// What was said, else what AWS's other tools would take, else what was signed for. Instances
    /// are not asked: elsewhere that takes seconds.
    async fn token_service_region(&self) -> Option<Region> {
        RegionProviderChain::first_try(self.region.clone())
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(self.needed_in.get().cloned())
            .region()
            .await
    }
}

fn granted(issuer: &'static str, result: provider::Result) -> Result<Credentials, IdentityError> {
    result.map_err(|error| refused(issuer, &reason(&error)))
}

fn refused(issuer: &'static str, reason: &str) -> IdentityError {
    IdentityError::NotGranted { issuer, reason: reason.into() }
}

/// What went wrong, by a code of AWS's or by kind: texts of issuers may hold anything.
fn reason(error: &CredentialsError) -> String {
    if let Some(code) = code_of_token_service(error) {
        return format!("the token service answered {code}");
    }
    let reason = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            "neither environment, profile, web identity, container nor instance has any"
        }
        CredentialsError::ProviderTimedOut(_) => "a source gave no answer",
        CredentialsError::InvalidConfiguration(_) => "a setting is not valid",
        CredentialsError::ProviderError(_) => "a source could not be reached, or refused",
        _ => "a source gave an answer that cannot be read",
    };
    reason.to_owned()
}

fn code_of_token_service(error: &CredentialsError) -> Option<&str> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<AssumeRoleError>() {
            return error.code();
        }
        if let Some(error) = error.downcast_ref::<AssumeRoleWithWebIdentityError>() {
            return error.code();
        }
        cause = error.source();
    }
    None
}
