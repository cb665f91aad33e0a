//! Everything that is remembered of a target.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::rest::Rest;
use super::{Breaker, Health, InFlight, Latency, Recovery, RetryBudget, Room, UsualTime};

/// How much of a failure's description is kept, in characters: enough to know it by.
const KEPT_DETAIL: usize = 500;

/// What makes a target the same one across tables and routes of a namespace.
///
/// Only what decides who answers: where it is, how it is spoken to, which model, with whose
/// credential. Not weight, timeout or threshold, because tuning must not erase memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetIdentity {
    /// Namespace of the route: what happens in one must not show in another.
    pub namespace: Arc<str>,
    /// Where requests go.
    pub base_url: Arc<str>,
    /// The protocol's name in the registry.
    pub protocol: &'static str,
    /// Upstream model, or the route's pattern list where the target takes the client's name.
    pub model: Arc<str>,
    /// `namespace/name` of the CredentialStore, empty for none.
    pub credential: Arc<str>,
}

/// `namespace protocol model at URL`, for admin and logs.
impl fmt::Display for TargetIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, base_url, protocol, model, .. } = self;
        write!(f, "{namespace} {protocol} {model} at {base_url}")
    }
}

/// The last try that did not go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// When.
    pub at: Instant,
    /// What kind of failure, in the words of metrics.
    pub class: &'static str,
    /// What happened, as callers are told it.
    pub detail: String,
}

/// What is remembered of a target.
#[derive(Debug)]
pub struct TargetState {
    identity: TargetIdentity,
    /// Whether it is healthy enough to be asked.
    pub breaker: Arc<Breaker>,
    /// How many requests it is answering.
    pub in_flight: InFlight,
    /// What of its limits is used up.
    pub room: Arc<Room>,
    /// Whether it has been back for a short while only.
    pub recovery: Recovery,
    /// How long it usually takes to the first output of a stream.
    pub latency: Latency,
    /// How long it usually takes to a plain reply, which comes only when all of it is generated.
    pub reply_time: Latency,
    /// Within which time nearly every first output comes.
    pub usual_first_token: UsualTime,
    /// Within which time nearly every plain reply comes.
    pub usual_reply: UsualTime,
    /// How many requests may be repeated here.
    pub retry_budget: RetryBudget,
    /// What checks of its health have found.
    pub health: Health,
    last_failure: Mutex<Option<LastFailure>>,
    throttled: Rest,
    refuses_stream_options: AtomicBool,
    uncounted: Rest,
}

impl TargetState {
    /// A target that nothing is known of.
    pub fn new(identity: TargetIdentity) -> Self {
        let in_flight = InFlight::default();
        Self {
            identity,
            breaker: Arc::default(),
            room: Arc::new(Room::new(in_flight.clone())),
            in_flight,
            recovery: Recovery::default(),
            latency: Latency::default(),
            reply_time: Latency::default(),
            usual_first_token: UsualTime::default(),
            usual_reply: UsualTime::default(),
            retry_budget: RetryBudget::default(),
            health: Health::default(),
            last_failure: Mutex::default(),
            throttled: Rest::default(),
            refuses_stream_options: AtomicBool::new(false),
            uncounted: Rest::default(),
        }
    }

    /// Which target it is.
    pub fn identity(&self) -> &TargetIdentity {
        &self.identity
    }

    /// The target asked to be left alone (429): it rests without its breaker opening. A shorter
    /// rest does not cut a longer one short.
    pub fn rest(&self, until: Instant) {
        self.throttled.extend(until);
    }

    /// Until when it asked to be left alone, if it did.
    pub fn resting_until(&self, now: Instant) -> Option<Instant> {
        self.throttled.until(now)
    }

    /// Remembers why a try did not go well. `detail` holds no secret.
    pub fn note_failure(&self, class: &'static str, detail: &str, now: Instant) {
        let detail = detail.chars().take(KEPT_DETAIL).collect();
        *self.last_failure.lock() = Some(LastFailure { at: now, class, detail });
    }

    /// The last try that did not go well, even if others have gone well since.
    pub fn last_failure(&self) -> Option<LastFailure> {
        self.last_failure.lock().clone()
    }

    /// Whether it has ever been asked for an answer and had its time to give one.
    pub fn was_asked(&self) -> bool {
        let knows = |times: &UsualTime| times.quantile(50).is_some();
        knows(&self.usual_first_token) || knows(&self.usual_reply)
    }

    /// Whether it refused `stream_options` before.
    pub fn refuses_stream_options(&self) -> bool {
        self.refuses_stream_options.load(Ordering::Relaxed)
    }

    /// Remembers that it refused `stream_options` and took the same request without.
    pub fn learn_refusal_of_stream_options(&self) {
        self.refuses_stream_options.store(true, Ordering::Relaxed);
    }

    /// It failed to count tokens: until then it is not asked to. It may answer all the same.
    pub fn rest_counting(&self, until: Instant) {
        self.uncounted.extend(until);
    }

    /// Whether it may be asked to count tokens.
    pub fn may_count(&self, now: Instant) -> bool {
        self.uncounted.until(now).is_none()
    }

    /// Forgets the rest, what the breaker and checks hold against it and what it refused: an
    /// operator knows better. What went wrong last stays known.
    pub fn reset(&self) {
        self.health.forget();
        self.throttled.end();
        self.uncounted.end();
        self.recovery.end();
        self.refuses_stream_options.store(false, Ordering::Relaxed);
        self.breaker.reset();
    }
}
