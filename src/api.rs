//! The custom resources of `pilothouse.dev/v1alpha1`, as users write them.
//!
//! Rust types are the one source: [`crds`] prints the schema that the API server enforces, and
//! the same schema with its CEL rules is what files are checked against. A doc comment on a field
//! here is what `kubectl explain` shows.
//!
//! Two habits keep the schema honest. A field that does nothing yet is not here. And a value that
//! a newer gateway may add (a provider, a strategy, a parameter's name) is an open string in Rust
//! and closed only in the schema, so that an older gateway drops the one target that uses it
//! instead of failing to read the object.
//!
//! Nothing here knows the rest of the gateway; what the schema must list from its registries is
//! passed in.

#![allow(
    unreachable_pub,
    reason = "the schema derive copies each struct into a function, where its `pub` reaches nobody"
)]
#![allow(
    clippy::duplicated_attributes,
    reason = "two printer columns of one type look like a repeated attribute"
)]

mod capabilities;
mod conditions;
mod consumer;
mod credential_store;
mod duration;
mod failover;
mod health_check;
mod limits;
mod load_balancing;
mod model_route;
mod namespaces;
mod parameters;
mod place;
mod policy;
mod schema;
mod server_metrics;
mod service;

use std::fmt;
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::CustomResourceExt;

pub use capabilities::{CapabilitiesSpec, Effort, SamplingSupport, ThinkingSupport};
pub use conditions::{ConditionType, Reason};
pub use consumer::{Consumer, ConsumerKey, ConsumerKeySource, ConsumerSpec, ConsumerStatus};
pub use credential_store::{
    ApiKeyCredentials, AssumedRole, AwsCredentials, AzureCredentials, CredentialStore,
    CredentialStoreSpec, CredentialStoreStatus, CredentialType, EnvSource, FileSource,
    GoogleCredentials, KeySelection, KeySource, KeyState, KeyStatus, StoredKey,
};
pub use duration::{Duration, DurationError};
pub use failover::{
    BackoffSpec, FallbackSpec, HedgingSpec, Repeatable, RetrySpec, RouteRef, TargetRetrySpec,
};
pub use health_check::{HealthCheckAuthentication, HealthCheckSpec};
pub use limits::TargetLimitsSpec;
pub use load_balancing::{
    EndpointBalancingSpec, LoadBalancingSpec, PrefixAffinity, SessionAffinitySpec,
    SessionAffinityType, SessionHeader,
};
pub use model_route::{
    Compatibility, CredentialRef, ModelRoute, ModelRouteSpec, ModelRouteStatus, ModelState,
    ModelStatus, TargetSelection, TargetSpec, TargetState, TargetStatus,
};
pub use namespaces::{
    AllowedNamespaces, LabelOperator, LabelRequirement, NamespaceSelector, NamespacesFrom,
};
pub use parameters::{PARAMETER_NAMES, ParameterValues, ParametersSpec, RawParameters};
pub use place::{AwsSpec, AzureSpec, GoogleSpec};
pub use policy::{
    CircuitBreakerSpec, OnInterruption, PermanentFailuresSpec, StreamingSpec, TargetTimeoutsSpec,
    TimeoutsSpec,
};
pub use schema::SecretKeyRef;
pub use server_metrics::ServerMetricsSpec;
pub use service::{ServiceScheme, ServiceSpec};

/// The API group of every kind here.
pub const GROUP: &str = "pilothouse.dev";

/// The one version that is served.
pub const VERSION: &str = "v1alpha1";

/// The installation that objects belong to when they name none.
pub const DEFAULT_GATEWAY: &str = "default";

/// The CustomResourceDefinitions, ordered by kind as a person reads them: routes first.
///
/// `strategies` are the values that `spec.loadBalancing.strategy` may take.
///
/// # Panics
/// Only if a type of this module has no structural schema, which the tests rule out.
pub fn crds(strategies: &[&str]) -> Vec<CustomResourceDefinition> {
    [ModelRoute::crd(), CredentialStore::crd(), Consumer::crd()]
        .into_iter()
        .map(|crd| schema::finish(crd, strategies))
        .collect()
}

/// One of the kinds here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// [`ModelRoute`].
    ModelRoute,
    /// [`CredentialStore`].
    CredentialStore,
    /// [`Consumer`].
    Consumer,
}

impl Kind {
    /// As it stands in `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ModelRoute => "ModelRoute",
            Self::CredentialStore => "CredentialStore",
            Self::Consumer => "Consumer",
        }
    }

    /// The schema of its `spec`, with no strategy listed: to learn which fields there are.
    pub fn spec_schema(self) -> Option<&'static JSONSchemaProps> {
        static CRDS: LazyLock<Vec<CustomResourceDefinition>> = LazyLock::new(|| crds(&[]));
        let crd = CRDS.iter().find(|crd| crd.spec.names.kind == self.as_str())?;
        let schema = crd.spec.versions.first()?.schema.as_ref()?.open_api_v3_schema.as_ref()?;
        schema.properties.as_ref()?.get("spec")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
