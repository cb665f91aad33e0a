//! (skeleton)
#![allow(missing_docs)]
use super::{KeyIdentity, KeyState, TargetIdentity, TargetState};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
#[derive(Debug, Default)]
pub struct StateStore {
    targets: Mutex<HashMap<TargetIdentity, Arc<TargetState>>>,
    keys: Mutex<HashMap<KeyIdentity, Arc<KeyState>>>,
}
impl StateStore {
    pub fn new() -> Self {
        Self::default()
    }
    /// The state of that identity: the same identity always gives the same `Arc`.
    pub fn target(&self, id: &TargetIdentity) -> Arc<TargetState> {
        self.targets.lock().entry(id.clone()).or_default().clone()
    }
    pub fn key(&self, id: &KeyIdentity) -> Arc<KeyState> {
        self.keys.lock().entry(id.clone()).or_default().clone()
    }
    /// Forgets what no table has referred to for `grace` (an `Arc` that is held elsewhere counts as a reference).
    pub fn retain_referenced(&self, _now: Instant, _grace: Duration) {}
}
