//! Identities of Google Cloud.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::KeySource;

/// A service account of Google Cloud. Without a key it is what the gateway itself runs as, by
/// Application Default Credentials: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, else the
/// metadata server (workload identity of GKE); only for stores of the namespace that the operator
/// chose with `--ambient-credentials-namespace`.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GoogleCredentials {
    /// Where the key of the service account is: the whole JSON file that Google Cloud hands out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_key: Option<KeySource>,
}
