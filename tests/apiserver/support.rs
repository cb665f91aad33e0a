//! What the tests of this ring stand on: a real API server, namespaces of their own in it, and
//! gateways that read it.

pub(crate) mod caller;
pub(crate) mod cluster;
pub(crate) mod crds;
pub(crate) mod gateway;
pub(crate) mod objects;
pub(crate) mod process;
pub(crate) mod scratch;
pub(crate) mod tenant;
pub(crate) mod wait;

pub(crate) use cluster::Cluster;
pub(crate) use gateway::Gateway;
pub(crate) use tenant::Tenant;
pub(crate) use wait::{eventually, eventually_some};
