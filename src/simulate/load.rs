//! What a simulated provider says of its load, as vLLM does.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use parking_lot::RwLock;

use super::{Snapshot, answer::Answer, fault::Fault};

/// What the page of metrics says.
#[derive(Debug)]
pub(super) struct Load {
    /// So many requests run at a time, as far as the page goes.
    slots: u64,
    /// Requests of others that wait.
    waiting: AtomicU32,
    fault: RwLock<Arc<Fault>>,
}

impl Load {
    pub(super) fn new(slots: Option<u32>) -> Self {
        let slots = slots.map_or(u64::MAX, u64::from);
        Self { slots, waiting: AtomicU32::new(0), fault: RwLock::default() }
    }

    pub(super) fn set_waiting(&self, waiting: u32) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        *self.fault.write() = Arc::new(fault);
    }

    pub(super) fn fault(&self) -> Arc<Fault> {
        Arc::clone(&self.fault.read())
    }

    /// The page, asked for by one of the exchanges that are going on.
    pub(super) fn metrics(&self, now: Snapshot) -> Answer {
        let asked = now.in_flight.saturating_sub(1);
        let running = asked.min(self.slots);
        let waiting = asked - running + u64::from(self.waiting.load(Ordering::Relaxed));
        let text = format!(
            "# HELP vllm:num_requests_running Number of requests in model execution batches.\n\
             # TYPE vllm:num_requests_running gauge\n\
             vllm:num_requests_running{{engine=\"0\",model_name=\"sim\"}} {running}.0\n\
             # HELP vllm:num_requests_waiting Number of requests waiting to be processed.\n\
             # TYPE vllm:num_requests_waiting gauge\n\
             vllm:num_requests_waiting{{engine=\"0\",model_name=\"sim\"}} {waiting}.0\n"
        );
        Answer::Metrics(text.into_bytes())
    }
}
