//! Tests against a real API server: the CustomResourceDefinitions, and the gateway that watches
//! them.
//!
//! They need etcd, kube-apiserver and kubectl in the folder that `KUBEBUILDER_ASSETS` names;
//! `e2e/tools/build` makes such a folder. Without it they say that they were skipped, and in CI
//! they fail. See `e2e/README.md`.

mod admission;
mod crd_install;
mod discovery;
mod examples;
mod faults;
mod health;
mod hostile;
mod next_version;
mod outage;
mod privacy;
mod replicas;
mod status;
mod support;
mod traffic;
mod trouble;
mod watches;
