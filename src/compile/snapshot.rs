//! The input of compile: plain data, however it was fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::Value;

pub use super::service_data::{
    Pod, Selected, Service, ServiceData, ServicePort, Slice, SliceEndpoint, SlicePort,
};
use crate::table::{AddressPolicy, ObjectName, SecretText};

/// Everything that is known at one moment. The order of the lists means nothing.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// ModelRoutes, undecoded: one that cannot be decoded must not take the others down.
    pub routes: Vec<Raw>,
    /// CredentialStores, undecoded.
    pub stores: Vec<Raw>,
    /// Consumers, undecoded.
    pub consumers: Vec<Raw>,
    /// Labels of the namespaces, for selectors.
    pub namespaces: BTreeMap<Arc<str>, BTreeMap<String, String>>,
    /// The Secrets that are referred to, as far as they have been read.
    pub secrets: BTreeMap<ObjectName, SecretData>,
    /// The Services that are referred to, as far as they have been read.
    pub services: BTreeMap<ObjectName, ServiceData>,
    /// Environment variables and files that are referred to, as far as they have been read;
    /// `Err` says why one could not be.
    pub ambient: BTreeMap<AmbientSource, Result<SecretText, String>>,
}

/// One custom resource as it was written.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Namespace and name.
    pub name: ObjectName,
    /// `metadata.uid`; empty for objects from files.
    pub uid: Arc<str>,
    /// `metadata.creationTimestamp` in seconds since 1970; `None` for objects from files.
    pub created: Option<i64>,
    /// `metadata.generation`; 0 for objects from files.
    pub generation: i64,
    /// `spec`, `Value::Null` if there is none.
    pub spec: Arc<Value>,
}

/// A Secret that is referred to.
#[derive(Debug, Clone)]
pub enum SecretData {
    /// Its data.
    Present(BTreeMap<String, SecretText>),
    /// There is none of that name, or it may not be read.
    Absent,
    /// There is none of that name with these labels (a label selector), and no other is read.
    Unlabelled(Arc<str>),
}

/// A secret that comes from the gateway's own surroundings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AmbientSource {
    /// An environment variable.
    Env(Arc<str>),
    /// A file below the credential directory, relative to it.
    File(Arc<str>),
}

/// What the resources refer to and the controller has to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Secrets by name.
    pub secrets: BTreeSet<ObjectName>,
    /// Services by name, whose endpoints are asked directly.
    pub services: BTreeSet<ObjectName>,
    /// Environment variables and files.
    pub ambient: BTreeSet<AmbientSource>,
}

/// What the operator decided for the whole installation.
#[derive(Debug, Clone)]
pub struct Tenancy {
    /// Only objects whose `spec.gateway` says so are read.
    pub gateway_name: Arc<str>,
    /// Manifests from files: the operator owns everything. Every namespace is shared, env, file and
    /// every address are allowed, an empty `allowedHosts` means any host.
    pub operator_owned: bool,
    /// Namespaces whose names everybody may use, in order. Not looked at if `operator_owned`.
    pub shared_namespaces: Vec<Arc<str>>,
    /// Whether callers without a key are served.
    pub anonymous: bool,
    /// The namespace such callers count as coming from.
    pub anonymous_namespace: Option<Arc<str>>,
    /// The only namespace whose stores may use `env`, `file` and the gateway's own identities. Not
    /// looked at if `operator_owned`.
    pub ambient_namespace: Option<Arc<str>>,
    /// Private and local addresses that are allowed, and with them plain http. What a name resolves
    /// to is checked when a connection is made. Not looked at if `operator_owned`.
    pub private_upstreams: Vec<IpNet>,
}

impl Tenancy {
    /// Of a gateway whose operator has shared nothing and allowed nothing.
    pub fn new(gateway_name: impl Into<Arc<str>>) -> Self {
        Self {
            gateway_name: gateway_name.into(),
            operator_owned: false,
            shared_namespaces: Vec::new(),
            anonymous: false,
            anonymous_namespace: None,
            ambient_namespace: None,
            private_upstreams: Vec::new(),
        }
    }

    /// Which addresses upstreams may have.
    pub(super) fn addresses(&self) -> AddressPolicy {
        if self.operator_owned {
            AddressPolicy::Any
        } else {
            AddressPolicy::PublicAnd(self.private_upstreams.clone())
        }
    }

    /// Whether stores of that namespace may use what the gateway has of its own.
    pub(super) fn permits_ambient(&self, namespace: &Arc<str>) -> bool {
        self.operator_owned || self.ambient_namespace.as_ref() == Some(namespace)
    }
}
