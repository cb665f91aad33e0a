//! (skeleton)
#![allow(missing_docs)]
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
#[derive(Debug, Default, Clone)]
pub struct InFlight(Arc<AtomicU32>);
impl InFlight {
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
    pub fn enter(&self) -> InFlightGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self.clone())
    }
}
#[derive(Debug)]
pub struct InFlightGuard(InFlight);
impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
