//! What all exchanges of one simulator share.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use super::{
    AccessKey, Flavor, builder::Builder, fault::Fault, load::Load, observe::Ledger, plan::Plan,
};

/// Most distinct faults with `times` that are counted. Their texts come from clients, so the
/// memory has to end somewhere; beyond it such a fault is always on.
const MAX_COUNTED: usize = 4096;

/// One simulated provider.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: String,
    pub(super) flavor: Flavor,
    pub(super) keys: Vec<secrecy::SecretString>,
    access_keys: RwLock<Arc<[AccessKey]>>,
    clock_ahead: Duration,
    pub(super) models: Vec<String>,
    /// Which tools are called, if that does not depend on what users say.
    pub(super) plan: Option<Plan>,
    /// Wait before the headers where a fault has none.
    pub(super) latency: Duration,
    pub(super) ledger: Arc<Ledger>,
    pub(super) stopping: CancellationToken,
    standing: RwLock<Standing>,
    /// The fault of the health page.
    health: RwLock<Arc<Fault>>,
    /// What the page of metrics says.
    pub(super) load: Load,
    /// How often a fault with `times` has struck, by model and fault text.
    struck: Mutex<HashMap<String, u64>>,
}

/// The fault of every request that brings none of its own.
#[derive(Debug)]
struct Standing {
    fault: Arc<Fault>,
    struck: AtomicU64,
}

impl Provider {
    pub(super) fn new(builder: Builder) -> Self {
        let Builder {
            flavor, name, fault, keys, models, calls, latency, slots, kept_requests, ..
        } = builder;
        let access_keys = RwLock::new(builder.access_keys.into());
        let clock_ahead = builder.clock_ahead;
        Self {
            name,
            flavor,
            keys,
            access_keys,
            clock_ahead,
            models,
            plan: (!calls.is_empty()).then(|| Plan::new(calls)),
            latency,
            ledger: Arc::new(Ledger::new(kept_requests)),
            stopping: CancellationToken::new(),
            standing: RwLock::new(Standing::new(fault)),
            health: RwLock::default(),
            load: Load::new(slots),
            struck: Mutex::default(),
        }
    }

    /// The time that signatures are held against.
    pub(super) fn clock(&self) -> SystemTime {
        SystemTime::now() + self.clock_ahead
    }

    /// Whose signatures are taken now.
    pub(super) fn access_keys(&self) -> Arc<[AccessKey]> {
        Arc::clone(&self.access_keys.read())
    }

    /// Whose signatures are taken from now on.
    pub(super) fn set_access_keys(&self, keys: Vec<AccessKey>) {
        *self.access_keys.write() = keys.into();
    }

    /// From now on, and counted anew.
    pub(super) fn set_fault(&self, fault: Fault) {
        *self.standing.write() = Standing::new(fault);
    }

    /// The health page suffers this fault from now on.
    pub(super) fn set_health_fault(&self, fault: Fault) {
        *self.health.write() = Arc::new(fault);
    }

    /// The fault of the health page.
    pub(super) fn health_fault(&self) -> Arc<Fault> {
        Arc::clone(&self.health.read())
    }

    /// The fault of a request that brings none.
    pub(super) fn standing_fault(&self) -> Arc<Fault> {
        let standing = self.standing.read();
        match standing.fault.times {
            Some(times) if standing.struck.fetch_add(1, Ordering::Relaxed) >= times => {
                Arc::new(standing.fault.healed())
            }
            _ => Arc::clone(&standing.fault),
        }
    }

    /// The fault that a request for `model` brought as `text`, which reads as `fault`.
    pub(super) fn brought_fault(&self, model: &str, text: &str, fault: Fault) -> Fault {
        let Some(times) = fault.times else { return fault };
        let mut struck = self.struck.lock();
        let key = format!("{model};{text}");
        if !struck.contains_key(&key) && struck.len() >= MAX_COUNTED {
            return fault;
        }
        let struck = struck.entry(key).or_default();
        *struck += 1;
        if *struck > times { fault.healed() } else { fault }
    }
}

impl Standing {
    fn new(fault: Fault) -> Self {
        Self { fault: Arc::new(fault), struck: AtomicU64::new(0) }
    }
}
