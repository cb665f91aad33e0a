//! Where the value of a key comes from.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::SecretKeyRef;

/// Where a value is: exactly one place.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.secretKeyRef), has(self.env), has(self.file)].exists_one(x, x)")
        .message("set exactly one of `secretKeyRef`, `env` and `file`")
)]
pub struct KeySource {
    /// An entry of a Secret in the store's namespace. A trailing newline is not part of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,

    /// An environment variable of the gateway. Only for stores of the namespace that the operator
    /// chose with `--ambient-credentials-namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<EnvSource>,

    /// A file in the gateway's credential directory. Only for stores of the namespace that the
    /// operator chose with `--ambient-credentials-namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
}

/// An environment variable.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EnvSource {
    /// The variable's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
}

/// A file.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FileSource {
    /// The file, relative to the gateway's `--credential-dir`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(
        validation = Rule::new("!self.startsWith('/') && !self.matches('(^|/)[.][.](/|$)')")
            .message("must be relative to the credential directory and must not hold `..`")
    )]
    pub path: String,
}
