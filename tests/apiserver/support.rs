//! What the tests of this ring stand on: a real API server, namespaces of their own in it, and
//! gateways that read it.

mod assets;
pub(crate) mod caller;
mod cluster;
pub(crate) mod crds;
pub(crate) mod gateway;
mod keys;
pub(crate) mod loose;
pub(crate) mod middlebox;
pub(crate) mod objects;
pub(crate) mod pods;
mod process;
pub(crate) mod rights;
mod scratch;
pub(crate) mod tenant;
mod wait;

pub(crate) use cluster::Cluster;
pub(crate) use gateway::Gateway;
pub(crate) use tenant::Tenant;
pub(crate) use wait::{eventually, eventually_some};
