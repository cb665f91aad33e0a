//! Identities of Amazon Web Services.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::KeySource;

/// An identity of AWS: an access key, or, where none is given, the gateway's own by AWS's usual
/// chain (environment, profile, web identity, container, instance). The gateway's own is only for
/// stores of the namespace that the operator chose with `--ambient-credentials-namespace`.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.accessKeyId) == has(self.secretAccessKey)")
        .message("set `accessKeyId` and `secretAccessKey` together"),
    validation = Rule::new("!has(self.sessionToken) || has(self.accessKeyId)")
        .message("`sessionToken` goes with `accessKeyId` and `secretAccessKey`: set them too")
)]
pub struct AwsCredentials {
    /// The region that requests are signed for, such as `eu-central-1`, and whose token service is
    /// asked. Default: the one in the target's host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z]+(-[a-z]+)+-[0-9]{1,2}$"))]
    pub region: Option<String>,

    /// The id of an access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<KeySource>,

    /// The secret that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<KeySource>,

    /// The token that belongs to a temporary access key. Whoever writes it has to replace it, with
    /// the key, before it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<KeySource>,

    /// A role to ask AWS's token service for and to sign with. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumedRole>,
}

/// A role of AWS that is assumed.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AssumedRole {
    /// The role: `arn:aws:iam::ACCOUNT:role/NAME`.
    #[schemars(
        length(min = 20, max = 2048),
        regex(pattern = "^arn:aws[-a-z]*:iam::[0-9]{12}:role/[!-~]+$")
    )]
    pub role_arn: String,

    /// What the role's trust policy asks for as `sts:ExternalId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = "^[A-Za-z0-9_+=,.@:/-]+$"))]
    pub external_id: Option<String>,

    /// The name of the session, by which AWS's logs speak of it. Default: `pilothouse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = "^[A-Za-z0-9_+=,.@-]+$"))]
    pub session_name: Option<String>,
}
