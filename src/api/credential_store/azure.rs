//! Identities of Azure.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::KeySource;

/// An application of Entra ID. Without a secret it is what the gateway itself runs as: its workload
/// identity (`AZURE_FEDERATED_TOKEN_FILE`), else the managed identity of the app or the machine;
/// only for stores of the namespace that the operator chose with
/// `--ambient-credentials-namespace`. API keys of Azure are `type: APIKey`.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.clientSecret) || (has(self.tenantId) && has(self.clientId))")
        .message("`clientSecret` needs `tenantId` and `clientId`: whose secret it is")
)]
pub struct AzureCredentials {
    /// The tenant of the application: its id, or one of its domains. Without a secret the default is
    /// `AZURE_TENANT_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?$")
    )]
    pub tenant_id: Option<String>,

    /// The id of the application or, without a secret, of a user-assigned managed identity, where the
    /// default is `AZURE_CLIENT_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[-A-Za-z0-9]+$"))]
    pub client_id: Option<String>,

    /// Where a secret of the application is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<KeySource>,

    /// What tokens are for. Default: Azure's AI services, or Foundry for hosts below
    /// `services.ai.azure.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = "^[^ ]+/[.]default$"))]
    pub scope: Option<String>,

    /// Entra ID of a national cloud: `https://login.microsoftonline.us` or
    /// `https://login.partner.microsoftonline.cn`. Default: `https://login.microsoftonline.com`;
    /// without a secret, `AZURE_AUTHORITY_HOST` if it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 261), regex(pattern = "^https?://[^/?#@ ]+/?$"))]
    pub authority_host: Option<String>,
}
