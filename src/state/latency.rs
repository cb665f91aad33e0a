//! (skeleton)
#![allow(missing_docs)]
use std::time::{Duration, Instant};
#[derive(Debug, Default)]
pub struct Latency(());
impl Latency {
    pub fn observe(&self, _sample: Duration, _now: Instant) {}
    pub fn estimate(&self, _now: Instant) -> Option<Duration> {
        None
    }
}
