//! ModelRoute: which models are served, by whom, and what happens when one fails.

mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use status::{ModelRouteStatus, ModelState, ModelStatus, TargetState, TargetStatus};

use super::schema::{MODEL_NAME, default_gateway, model_patterns};
use super::service;
use super::{
    AllowedNamespaces, AwsSpec, AzureSpec, CapabilitiesSpec, CircuitBreakerSpec, FallbackSpec,
    GoogleSpec, HealthCheckSpec, HedgingSpec, LoadBalancingSpec, ParametersSpec, RawParameters,
    RetrySpec, ServiceSpec, StreamingSpec, TargetLimitsSpec, TargetRetrySpec, TargetTimeoutsSpec,
    TimeoutsSpec,
};

/// What a route answers for, and how.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "pilothouse.dev",
    version = "v1alpha1",
    kind = "ModelRoute",
    plural = "modelroutes",
    singular = "modelroute",
    shortname = "mr",
    category = "ai",
    namespaced,
    cel,
    status = "ModelRouteStatus",
    derive = "PartialEq",
    doc = "A ModelRoute says which model names are answered, and by which providers: in what order, in what shares, and what happens when one fails.",
    printcolumn(
        name = "Models",
        type_ = "string",
        json_path = ".status.servedModels",
        description = "Names that the route has, its own by default"
    ),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].status"
    ),
    printcolumn(
        name = "Resolved",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"ResolvedRefs\")].status"
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status"
    ),
    printcolumn(
        name = "Targets",
        type_ = "string",
        json_path = ".status.usableTargets",
        description = "Targets that can be asked now, of all targets"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.message",
        priority = 1,
        description = "What is wrong first"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ModelRouteSpec {
    /// Which installation serves this route: the one that was started with this `--gateway-name`.
    #[serde(default = "default_gateway")]
    #[schemars(length(min = 1, max = 63))]
    pub gateway: String,

    /// The names that clients ask for: exact names, or patterns with one `*` at the start or the
    /// end (`gpt-*`, `*-latest`, `*`). Default: the route's own name. Case matters. Where several
    /// routes of one namespace want the same name, the oldest route has it and the others say
    /// `Conflict`; an exact name wins over a pattern, a longer pattern over a shorter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256), regex(pattern = MODEL_NAME)))]
    #[x_kube(validation = model_patterns(), merge_strategy = ListMerge::Set)]
    pub models: Vec<String>,

    /// Whose Consumers are answered. Default: those of the route's own namespace. To others the
    /// route does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,

    /// Whether a caller may pick one target by its name with the header `x-backend`: `Allowed` or
    /// `Denied`.
    #[serde(default)]
    pub target_selection: TargetSelection,

    /// Who answers. Targets of the lowest priority number are used while one of them is available.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub targets: Vec<TargetSpec>,

    /// How targets of equal priority share the traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancing: Option<LoadBalancingSpec>,

    /// When a request is tried again. A target may set its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,

    /// Routes that answer when no target of this one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,

    /// Whether the next target is asked as well while the first takes its time. Off unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedging: Option<HedgingSpec>,

    /// How streamed answers are treated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<StreamingSpec>,

    /// Limits in time. A target may set its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsSpec>,

    /// When a target that fails is left alone. A target may set its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreakerSpec>,

    /// What is changed in requests. A target may set its own, which add to these name by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ParametersSpec>,
}

/// Whether callers may pick a target.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetSelection {
    /// The header `x-backend` picks a target.
    Allowed,
    /// A request with the header is refused.
    #[default]
    Denied,
}

/// One provider that can answer.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.baseURL) || !has(self.aws)")
        .message("baseURL and aws.region both say where the target is: give one of them"),
    validation = Rule::new("!has(self.baseURL) || !has(self.google)")
        .message("baseURL and google both say where the target is: give one of them"),
    validation = Rule::new("!has(self.baseURL) || !has(self.azure) || !has(self.azure.resource)")
        .message("baseURL and azure.resource both say where the target is: give one of them"),
    validation = Rule::new(
        "(has(self.aws) ? 1 : 0) + (has(self.azure) ? 1 : 0) + (has(self.google) ? 1 : 0) <= 1"
    )
    .message("a target is at one cloud: give only one of aws, azure and google"),
    validation = service::alone(),
    validation = service::for_each_endpoint(),
    validation = service::for_each_queue(),
    validation = service::without_checks()
)]
pub struct TargetSpec {
    /// The target's name in this route, as it stands in `x-backend`, `x-used-provider`, logs and
    /// metrics.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Who answers: a name that the gateway knows, such as `openai`, `anthropic`, `gemini`,
    /// `mistral`, `vllm`, or `openai-compatible` for any server that speaks OpenAI's API. On clouds:
    /// `azure-openai`, `azure-anthropic`; `bedrock` (Converse, every model), `bedrock-anthropic`
    /// (InvokeModel), `bedrock-mantle`, `bedrock-openai`; `vertex` (Gemini), `vertex-anthropic`,
    /// `vertex-openai`. Clients of every API are answered, whichever the provider speaks.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub provider: String,

    /// The model to ask the provider for. Default: the name that the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = MODEL_NAME))]
    pub model: Option<String>,

    /// The CredentialStore whose keys are used. Without one the provider is asked without
    /// authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ref: Option<CredentialRef>,

    /// Lower is tried first; targets of equal priority share the traffic.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub priority: i32,

    /// Share of the traffic among targets of equal priority. With 0 the target is used only by
    /// callers that pick it with `x-backend`.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i32,

    /// Where the provider's API is, as its own SDK takes it: providers that speak OpenAI's API end
    /// in `/v1`. Default: the provider's public address, or what follows from `aws`, `azure` or
    /// `google`; required where there is neither. Plain `http` and private addresses need the
    /// operator's permission.
    #[serde(default, rename = "baseURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://') || self.startsWith('http://')")
            .message("must begin with https:// or http://"),
        validation = Rule::new("!self.contains('?') && !self.contains('#')")
            .message("must not hold a query or a fragment"),
        validation = Rule::new("!self.matches('^[^/]*//[^/]*@')")
            .message("must not hold a user name or password: use credentialRef")
    )]
    pub base_url: Option<String>,

    /// A Service in the route's namespace that serves the model, in place of `baseURL`: its ready
    /// endpoints are discovered and asked directly, the least busy first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSpec>,

    /// For providers on AWS, in place of `baseURL`: where the target is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsSpec>,

    /// For providers on Azure: where the target is, in place of `baseURL`, and the API's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureSpec>,

    /// For providers on Google Cloud, in place of `baseURL`: where the target is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google: Option<GoogleSpec>,

    /// Limits in time of this target; those that are unset come from the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TargetTimeoutsSpec>,

    /// When requests are tried again at this target; what is unset comes from the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<TargetRetrySpec>,

    /// The breaker of this target; what is unset comes from the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreakerSpec>,

    /// Checks of the target's health, for servers of one's own: it is asked for a page now and then,
    /// and left out while that fails. Without this field nothing is asked but what callers ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckSpec>,

    /// How much may be asked of this target; without limits, as much as comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<TargetLimitsSpec>,

    /// What is changed in requests to this target. A name that is given here, in `defaults`,
    /// `overrides` or `drop`, wins over what the route says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ParametersSpec>,

    /// Merged last into the request's own JSON, under the provider's own names: for what
    /// `parameters` has no name for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_parameters: Option<RawParameters>,

    /// What becomes of fields that the target's protocol has no place for, where it is not the
    /// client's: with `Standard`, harmless losses are told in `x-pilothouse-warnings` and others
    /// refused; `Strict` refuses every loss; `Lenient` refuses only what cannot be answered rightly.
    #[serde(default)]
    pub compatibility: Compatibility,

    /// What the model takes, where the gateway does not know it or knows it wrongly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<CapabilitiesSpec>,
}

/// What becomes of fields that a target's protocol has no place for.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compatibility {
    /// Harmless losses are warnings, others are refused.
    #[default]
    Standard,
    /// Every loss is refused.
    Strict,
    /// Every loss is a warning, but for those after which no right answer is possible.
    Lenient,
}

fn default_weight() -> i32 {
    // Round enough to be split in percent.
    100
}

/// The CredentialStore of a target.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialRef {
    /// The CredentialStore's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace. Default: the route's. Another namespace's store must list the route's
    /// namespace in its `allowedNamespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}
