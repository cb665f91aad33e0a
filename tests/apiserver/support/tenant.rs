//! What one test has to itself on a shared API server: namespaces, and the name of a gateway.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::core::{NamespaceResourceScope, Resource};
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::objects::{KEY, consumer, ours, secret};
use super::{Cluster, eventually_some};

/// One test's own corner of a cluster, seen with an administrator's eyes.
pub(crate) struct Tenant<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) client: Client,
    /// The gateway name, and the stem of every namespace.
    pub(crate) name: String,
    /// The namespace that most tests need only one of.
    pub(crate) namespace: String,
}

impl<'c> Tenant<'c> {
    /// `stem` says in names and logs which test they belong to.
    pub(crate) async fn new(cluster: &'c Cluster, stem: &str) -> Self {
        let client = cluster.client().await;
        let name = format!("{stem}-{:08x}", fastrand::u32(..));
        let tenant = Self { cluster, client, namespace: name.clone(), name };
        tenant.create_namespace(&tenant.namespace).await;
        tenant
    }

    /// The same gateway's corner, seen from one more namespace.
    pub(crate) async fn in_another_namespace(&self, suffix: &str) -> Self {
        let namespace = self.another_namespace(suffix).await;
        Self {
            cluster: self.cluster,
            client: self.client.clone(),
            name: self.name.clone(),
            namespace,
        }
    }

    /// Makes one more namespace, and gives its name.
    pub(crate) async fn another_namespace(&self, suffix: &str) -> String {
        let name = format!("{}-{suffix}", self.name);
        self.create_namespace(&name).await;
        name
    }

    async fn create_namespace(&self, name: &str) {
        let namespace: Namespace = typed(json!({"metadata": {"name": name}}));
        let namespaces = Api::all(self.client.clone());
        namespaces.create(&PostParams::default(), &namespace).await.expect("a new namespace");
    }

    /// The objects of one type in this test's namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies an object, as `kubectl apply --server-side` does. A namespace is added if it names
    /// none, and the gateway if it is one of ours.
    pub(crate) async fn apply(&self, object: Value) -> DynamicObject {
        self.try_apply(object.clone())
            .await
            .unwrap_or_else(|error| panic!("{object} is refused: {error}"))
    }

    /// The same for an object that may be refused.
    pub(crate) async fn try_apply(&self, mut object: Value) -> kube::Result<DynamicObject> {
        let api_version = object["apiVersion"].as_str().unwrap_or("v1").to_owned();
        if api_version.starts_with(pilothouse::api::GROUP) && object["spec"]["gateway"].is_null() {
            object["spec"]["gateway"] = json!(self.name);
        }
        if object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!(self.namespace);
        }
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let api: Api<DynamicObject> = Api::namespaced_with(
            self.client.clone(),
            &object.namespace().expect("it was set above"),
            &resource_of(&object),
        );
        let parameters = PatchParams::apply("test").force();
        api.patch(&object.name_any(), &parameters, &Patch::Apply(&object)).await
    }

    /// Waits until the status of an object says that of its spec as it is now, and gives the whole
    /// condition. On the way it may say other things: that something has not been read yet, or that
    /// another replica is waited for.
    pub(crate) async fn condition_is(
        &self,
        (kind, name): (&str, &str),
        condition: &str,
        (status, reason): (&str, &str),
    ) -> Condition {
        let object = ours(kind, name, &json!({}));
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource_of(&object));
        let what = format!("{condition} of {kind} {name} to be {status}, {reason}");
        eventually_some(&what, async || {
            let object = api.get(name).await.expect("it was applied");
            let conditions = object.data["status"]["conditions"].as_array()?;
            let found = conditions.iter().find(|found| found["type"] == condition)?;
            let found: Condition = typed(found.clone());
            let is_current = found.observed_generation == object.metadata.generation;
            let says_so = found.status == status && found.reason == reason;
            (is_current && says_so).then_some(found)
        })
        .await
    }

    /// `kubectl wait`, as scripts use it after `kubectl apply`.
    pub(crate) async fn wait(&self, condition: &str, object: &str) {
        let condition = format!("--for=condition={condition}");
        let arguments = ["wait", &condition, object, "--timeout=60s", "-n", &self.namespace];
        self.cluster.kubectl_ok(&arguments, "").await;
    }

    /// The identity that holds the leader's Lease, when there is one.
    pub(crate) async fn leader(&self) -> Option<String> {
        let leases: Api<Lease> = self.api();
        let lease = leases.get_opt(&format!("pilothouse-{}-leader", self.name)).await;
        let spec = lease.expect("leases can be read")?.spec?;
        spec.holder_identity.filter(|holder| !holder.is_empty())
    }

    /// Applies what lets a caller with [`KEY`] in.
    pub(crate) async fn admit_caller(&self) {
        self.apply(secret("caller", KEY)).await;
        self.apply(consumer("caller", "caller")).await;
    }

    /// Makes a service account that may do what `rules` say in the whole cluster and, for each
    /// pair, in one namespace. Gives its token.
    pub(crate) async fn service_account(
        &self,
        name: &str,
        rules: Vec<PolicyRule>,
        namespaced: Vec<(&str, Vec<PolicyRule>)>,
    ) -> String {
        let unique = format!("{}-{name}", self.name);
        let subjects = json!([
            {"kind": "ServiceAccount", "namespace": self.namespace, "name": name}
        ]);
        self.create(json!({"metadata": {"name": name}}), &self.api::<ServiceAccount>()).await;
        let reference = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": unique});
        let cluster_roles: Api<ClusterRole> = Api::all(self.client.clone());
        self.create(json!({"metadata": {"name": unique}, "rules": rules}), &cluster_roles).await;
        let bindings: Api<ClusterRoleBinding> = Api::all(self.client.clone());
        let binding = json!({"metadata": {"name": unique}, "subjects": subjects,
            "roleRef": reference("ClusterRole")});
        self.create(binding, &bindings).await;
        for (namespace, rules) in namespaced {
            let roles: Api<Role> = Api::namespaced(self.client.clone(), namespace);
            self.create(json!({"metadata": {"name": unique}, "rules": rules}), &roles).await;
            let bindings: Api<RoleBinding> = Api::namespaced(self.client.clone(), namespace);
            let binding = json!({"metadata": {"name": unique}, "subjects": subjects,
                "roleRef": reference("Role")});
            self.create(binding, &bindings).await;
        }
        self.token_of(name).await
    }

    async fn token_of(&self, account: &str) -> String {
        let request = TokenRequest { spec: TokenRequestSpec::default(), ..Default::default() };
        self.api::<ServiceAccount>()
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .expect("a token")
            .status
            .expect("an answer has a status")
            .token
    }

    async fn create<K>(&self, object: Value, api: &Api<K>)
    where
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let object = typed(object);
        api.create(&PostParams::default(), &object).await.expect("a new object is taken");
    }
}

/// What the API server calls the kind of `object`.
fn resource_of(object: &DynamicObject) -> ApiResource {
    let types = object.types.as_ref().expect("an object says what it is");
    let kind = GroupVersionKind::try_from(types).expect("an API version has at most one slash");
    ApiResource::from_gvk(&kind)
}

/// An object of a known type from its text.
pub(crate) fn typed<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).expect("an object of that type")
}
