//! (skeleton)
#![allow(missing_docs)]
use super::{Breaker, InFlight, Latency};
use std::sync::Arc;
use std::time::Instant;
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetIdentity {
    pub namespace: Arc<str>,
    pub base_url: Arc<str>,
    pub protocol: &'static str,
    /// Upstream model, or the route's pattern list where the target takes the client's name.
    pub model: Arc<str>,
    /// `namespace/name` of the CredentialStore, empty for none.
    pub credential: Arc<str>,
}
#[derive(Debug, Default)]
pub struct TargetState {
    pub breaker: Arc<Breaker>,
    pub in_flight: InFlight,
    pub latency: Latency,
}
impl TargetState {
    /// The target asked to be left alone (429): it rests without its breaker opening.
    pub fn rest(&self, _until: Instant) {}
    pub fn resting_until(&self, _now: Instant) -> Option<Instant> {
        None
    }
}
