//! What the gateway itself runs as in Azure.

use std::path::PathBuf;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_identity::{
    ClientAssertionCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use tokio::task::spawn_blocking;

use super::wire::Wire;
use super::{Asking, AuthorityHost, options, refused};
use crate::credential::{Author, Environment, IdentityError};

const WORKLOAD: &str = "the gateway's workload identity";
const MANAGED: &str = "Azure's managed identity endpoint";

/// Which of the identities that the gateway may run as; what is not said is what the environment
/// says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnIdentity {
    /// The tenant of a workload identity.
    pub tenant_id: Option<String>,
    /// The application of a workload identity, or a user-assigned managed identity.
    pub client_id: Option<String>,
    /// Where Entra ID is asked.
    pub authority_host: Option<AuthorityHost>,
}

impl OwnIdentity {
    /// What asks for a token: of a workload identity where the environment has one, else of a managed
    /// identity.
    pub(super) async fn asking(&self, environment: &Environment) -> Result<Asking, IdentityError> {
        let client = self.client_id.clone().or_else(|| environment.get("AZURE_CLIENT_ID"));
        match environment.get("AZURE_FEDERATED_TOKEN_FILE") {
            Some(file) => self.workload(environment, file.into(), client).await,
            None => managed(environment, client),
        }
    }

    /// The cluster vouches for the pod.
    async fn workload(
        &self,
        environment: &Environment,
        file: PathBuf,
        client_id: Option<String>,
    ) -> Result<Asking, IdentityError> {
        let missing = |name| refused(WORKLOAD, format!("{name} is not set"));
        let client_id = client_id.ok_or_else(|| missing("AZURE_CLIENT_ID"))?;
        let tenant_id = self.tenant_id.clone().or_else(|| environment.get("AZURE_TENANT_ID"));
        let tenant_id = tenant_id.ok_or_else(|| missing("AZURE_TENANT_ID"))?;
        let authority = match &self.authority_host {
            Some(authority) => authority.clone(),
            None => match environment.get("AZURE_AUTHORITY_HOST") {
                Some(url) => AuthorityHost::parse(&url, Author::Operator).map_err(|_| {
                    refused(WORKLOAD, "AZURE_AUTHORITY_HOST must be `https://HOST`".to_owned())
                })?,
                None => AuthorityHost::default(),
            },
        };
        let wire = Arc::new(authority.wire());
        let client_options = authority.options(options(&wire));
        let wanted = WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions { client_options },
            client_id: Some(client_id),
            tenant_id: Some(tenant_id),
            token_file_path: Some(file),
        };
        // It reads the file.
        let credential = spawn_blocking(move || WorkloadIdentityCredential::new(Some(wanted)));
        let credential =
            credential.await.map_err(|_| refused(WORKLOAD, "it stopped".to_owned()))?;
        let credential = credential.map(|credential| credential as Arc<dyn TokenCredential>);
        Ok(Asking { issuer: WORKLOAD, wire, credential })
    }
}

/// The identity of the app (App Service, Container Apps), else of the machine.
fn managed(environment: &Environment, client: Option<String>) -> Result<Asking, IdentityError> {
    // Where a proxy of the pod stands in for the machine's metadata service (IMDS).
    let origin = match environment.get("IDENTITY_ENDPOINT") {
        Some(_) => None,
        None => environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").map(|url| url.parse()),
    };
    let origin = origin
        .transpose()
        .map_err(|_| refused(MANAGED, "AZURE_POD_IDENTITY_AUTHORITY_HOST is no URL".to_owned()))?;
    let wire = Arc::new(Wire::new(origin));
    let wanted = ManagedIdentityCredentialOptions {
        user_assigned_id: client.map(UserAssignedId::ClientId),
        client_options: options(&wire),
    };
    let credential = ManagedIdentityCredential::new(Some(wanted));
    let credential = credential.map(|credential| credential as Arc<dyn TokenCredential>);
    Ok(Asking { issuer: MANAGED, wire, credential })
}
