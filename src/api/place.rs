//! Where a target is at a cloud that gives every customer an address of its own.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Where a target on AWS is.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AwsSpec {
    /// The region, such as `eu-central-1`.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$"))]
    pub region: String,
}

/// Where a target on Google Cloud is.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GoogleSpec {
    /// The project's id.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$"))]
    pub project: String,
    /// Where Vertex AI answers: a region such as `europe-west1`, the multi-region `us` or `eu`, or
    /// `global`.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z]+(-[a-z]+[0-9]+)?$"))]
    pub location: String,
}

/// Where a target on Azure is, and which version of the API it is asked by.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.resource) || has(self.apiVersion)")
        .message("must hold resource or apiVersion")
)]
pub struct AzureSpec {
    /// The name of the Azure OpenAI or Foundry resource, which its hosts begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = "^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")
    )]
    pub resource: Option<String>,
    /// Sent as `api-version`. With a date, such as `2024-10-21`, `azure-openai` is asked in the form
    /// that Azure had before its v1 API: `model` is a deployment, which stands in the path, and a
    /// `baseURL` is the resource's endpoint without a path. `preview` opens features of the v1 API
    /// that are not general. Default: the v1 API, without a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = "^([0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|preview)$")
    )]
    pub api_version: Option<String>,
}
