//! What the gateway itself runs as in Azure.

use bytes::Bytes;
use http::Request;

use super::ENTRA;
use super::application::{AuthorityHost, PUBLIC_CLOUD};
use crate::credential::environment::{Environment, read};
use crate::credential::issuer::{Issuer, encode};
use crate::credential::{Author, Fetched, IdentityError};

const WORKLOAD: Issuer = Issuer("the gateway's workload identity");
const MANAGED: Issuer = Issuer("Azure's managed identity endpoint");

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The machine's metadata service (IMDS).
const MACHINE: &str = "http://169.254.169.254";

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
    /// A workload identity where the environment has one, else a managed identity.
    pub(super) async fn token(
        &self,
        environment: &Environment,
        scope: &str,
    ) -> Result<Fetched<String>, IdentityError> {
        let client = self.client_id.clone().or_else(|| environment.get("AZURE_CLIENT_ID"));
        match environment.get("AZURE_FEDERATED_TOKEN_FILE") {
            Some(file) => self.workload(environment, file, client, scope).await,
            None => managed(environment, client.as_deref(), scope).await,
        }
    }

    /// The cluster vouches for the pod.
    async fn workload(
        &self,
        environment: &Environment,
        file: String,
        client: Option<String>,
        scope: &str,
    ) -> Result<Fetched<String>, IdentityError> {
        let missing = |name| WORKLOAD.refused(format!("{name} is not set"));
        let client = client.ok_or_else(|| missing("AZURE_CLIENT_ID"))?;
        let tenant = self.tenant_id.clone().or_else(|| environment.get("AZURE_TENANT_ID"));
        let tenant = tenant.ok_or_else(|| missing("AZURE_TENANT_ID"))?;
        let authority = match &self.authority_host {
            Some(authority) => authority.clone(),
            None => {
                let url = environment.get("AZURE_AUTHORITY_HOST");
                let url = url.as_deref().unwrap_or(PUBLIC_CLOUD);
                AuthorityHost::parse(url, Author::Operator)
                    .map_err(|_| WORKLOAD.refused("AZURE_AUTHORITY_HOST must be `https://HOST`"))?
            }
        };
        let endpoint = authority
            .endpoint(&tenant)
            .map_err(|error| WORKLOAD.refused(format!("AZURE_TENANT_ID {error}")))?;
        let assertion = read(file).await.map_err(|error| {
            WORKLOAD.refused(format!("the file of AZURE_FEDERATED_TOKEN_FILE: {error}"))
        })?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &client),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", &assertion),
            ("scope", scope),
        ];
        ENTRA.token(&ENTRA.post(&endpoint, &form).await?)
    }
}

/// The identity of the app (App Service, Container Apps), else of the machine.
async fn managed(
    environment: &Environment,
    client: Option<&str>,
    scope: &str,
) -> Result<Fetched<String>, IdentityError> {
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    let app = environment.get("IDENTITY_ENDPOINT").zip(environment.get("IDENTITY_HEADER"));
    let (endpoint, version, header, value) = match app {
        Some((endpoint, value)) => (endpoint, "2019-08-01", "x-identity-header", value),
        None => {
            let host = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
            let host = host.as_deref().unwrap_or(MACHINE).trim_end_matches('/');
            let endpoint = format!("{host}/metadata/identity/oauth2/token");
            (endpoint, "2018-02-01", "metadata", "true".to_owned())
        }
    };
    let mut query = vec![("api-version", version), ("resource", resource)];
    query.extend(client.map(|client| ("client_id", client)));
    let request = Request::get(format!("{endpoint}?{}", encode(&query)))
        .header(header, value)
        .body(Bytes::new());
    let request = request.map_err(|_| MANAGED.refused("IDENTITY_ENDPOINT is no URL"))?;
    MANAGED.token(&MANAGED.ask(request).await?)
}
