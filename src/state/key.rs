//! (skeleton)
#![allow(missing_docs)]
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;
/// A key is known by where it came from and by a digest of its value, so a rotated key starts fresh.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyIdentity {
    pub namespace: Arc<str>,
    pub store: Arc<str>,
    pub key: Arc<str>,
    pub digest: [u8; 32],
}
#[derive(Debug, Default)]
pub struct KeyState(Mutex<Option<Instant>>);
impl KeyState {
    pub fn resting_until(&self, now: Instant) -> Option<Instant> {
        self.0.lock().filter(|at| *at > now)
    }
    pub fn rest(&self, until: Instant, _reason: &'static str) {
        *self.0.lock() = Some(until);
    }
    pub fn succeeded(&self) {
        *self.0.lock() = None;
    }
}
