//! What a simulator saw: counters to wait for, and the last requests.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version, header, request::Parts};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Most bytes of bodies that are kept, so that a test with huge prompts does not keep a thousand.
const KEPT_BYTES: usize = 256 << 20;

/// Counters of one simulator at one moment; all count since its start unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Requests that were read to the end of their body.
    pub requests: u64,
    /// Exchanges going on now: from a request's head to the last byte of its answer.
    pub in_flight: u64,
    /// Exchanges that ended as the simulator meant them to, faults included.
    pub completed: u64,
    /// Exchanges that the client (or a stop) ended first.
    pub cancelled: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that are open now.
    pub open_connections: u64,
}

/// A request as it came, for tests to look into. Its `Debug` hides keys.
#[derive(Debug, Clone)]
pub struct Captured {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// The HTTP version that the client chose.
    pub version: Version,
    /// All headers; those that carry keys are marked sensitive.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Captured {
    /// The path without its query.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// A header as text; none when it is missing or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON, `null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What was waited for did not happen in time.
#[derive(Debug, thiserror::Error)]
#[error("waited {within:?} in vain for a simulated provider; last seen: {last:?}")]
pub struct WaitedInVain {
    within: Duration,
    last: Snapshot,
}

/// The account of one simulator.
#[derive(Debug)]
pub(super) struct Ledger {
    counters: watch::Sender<Snapshot>,
    kept: Mutex<Kept>,
    /// How many requests are kept.
    capacity: usize,
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<Captured>,
    /// Of all their bodies.
    bytes: usize,
}

impl Kept {
    /// The newest request is always kept, whatever its size.
    fn push(&mut self, captured: Captured, capacity: usize) {
        self.bytes += captured.body.len();
        self.requests.push_back(captured);
        while self.requests.len() > capacity.max(1)
            || (self.bytes > KEPT_BYTES && self.requests.len() > 1)
        {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.bytes -= oldest.body.len();
        }
    }
}

impl Ledger {
    pub(super) fn new(capacity: usize) -> Self {
        Self { counters: watch::Sender::default(), kept: Mutex::default(), capacity }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        *self.counters.borrow()
    }

    pub(super) fn requests(&self) -> Vec<Captured> {
        self.kept.lock().requests.iter().cloned().collect()
    }

    pub(super) async fn wait_for(
        &self,
        within: Duration,
        mut met: impl FnMut(&Snapshot) -> bool,
    ) -> Result<Snapshot, WaitedInVain> {
        let mut counters = self.counters.subscribe();
        let waiting = tokio::time::timeout(within, counters.wait_for(|now| met(now)));
        match waiting.await {
            Ok(Ok(snapshot)) => Ok(*snapshot),
            // The channel cannot close: `self` holds its sender.
            Ok(Err(_)) | Err(_) => Err(WaitedInVain { within, last: self.snapshot() }),
        }
    }

    /// A request's head has come.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        self.counters.send_modify(|now| now.in_flight += 1);
        Exchange { ledger: Arc::clone(self), completed: false }
    }

    /// A request was read. Returns its number, from 1.
    pub(super) fn record(&self, head: &Parts, body: &Bytes) -> u64 {
        if self.capacity > 0 {
            let mut headers = head.headers.clone();
            let authorization = header::AUTHORIZATION.as_str();
            for name in [authorization, "x-api-key", "x-goog-api-key", "x-amz-security-token"] {
                if let Some(value) = headers.get_mut(name) {
                    value.set_sensitive(true);
                }
            }
            let captured = Captured {
                method: head.method.clone(),
                uri: without_key(&head.uri),
                version: head.version,
                headers,
                body: body.clone(),
            };
            self.kept.lock().push(captured, self.capacity);
        }
        let mut number = 0;
        self.counters.send_modify(|now| {
            now.requests += 1;
            number = now.requests;
        });
        number
    }

    /// A connection was accepted.
    pub(super) fn connect(self: &Arc<Self>) -> Connected {
        self.counters.send_modify(|now| {
            now.connections += 1;
            now.open_connections += 1;
        });
        Connected(Arc::clone(self))
    }
}

/// The URI without the key that Google lets stand in it.
fn without_key(uri: &Uri) -> Uri {
    let Some(query) = uri.query().filter(|query| query.contains("key=")) else {
        return uri.clone();
    };
    let pairs = query.split('&').filter(|pair| !pair.starts_with("key="));
    let rest = pairs.collect::<Vec<_>>().join("&");
    format!("{}?{rest}", uri.path()).parse().unwrap_or_default()
}

/// An open connection, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Connected(Arc<Ledger>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.counters.send_modify(|now| now.open_connections -= 1);
    }
}

/// One exchange, counted until it is dropped; it rides in the response body.
#[derive(Debug)]
pub(super) struct Exchange {
    ledger: Arc<Ledger>,
    completed: bool,
}

impl Exchange {
    /// All was sent that was to be sent.
    pub(super) fn complete(&mut self) {
        self.completed = true;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.ledger.counters.send_modify(|now| {
            now.in_flight -= 1;
            if self.completed {
                now.completed += 1;
            } else {
                now.cancelled += 1;
            }
        });
    }
}
