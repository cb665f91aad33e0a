//! How targets and keys fare at one replica, in a letter each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::Mark;
use crate::api::Reason;
use crate::state::KeyState;
use crate::table::{KeyPool, ObjectName, RouteTable, Standing, Upstream};

/// What is over by itself so soon is not told: it would be past before anybody has read it.
const WORTH_TELLING: Duration = Duration::from_secs(30);

/// What a replica knows of a target. The first weighs most where replicas differ, and where there is
/// no room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::control) enum TargetNote {
    /// Its breaker is not closed, for a reason that a person has to mend.
    #[serde(rename = "p")]
    Permanent,
    /// Its breaker is not closed. Half-open counts: it has not answered yet.
    #[serde(rename = "b")]
    Breaker,
    /// Every key of it rests.
    #[serde(rename = "k")]
    Keys,
    /// Checks of its health fail.
    #[serde(rename = "h")]
    Checks,
    /// It asked for a pause.
    #[serde(rename = "t")]
    Throttled,
    /// Nothing is held against it, and it has been asked.
    #[serde(rename = "a")]
    Asked,
}

impl TargetNote {
    /// Why it is left alone; `None` if it is not.
    pub(in crate::control) fn against(self) -> Option<Reason> {
        match self {
            Self::Permanent => Some(Reason::PermanentFailure),
            Self::Breaker => Some(Reason::CircuitBreaker),
            Self::Keys => Some(Reason::KeysResting),
            Self::Checks => Some(Reason::HealthCheck),
            Self::Throttled => Some(Reason::Throttled),
            Self::Asked => None,
        }
    }
}

/// What a replica holds against a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::control) struct KeyNote {
    /// Why.
    pub(in crate::control) fault: KeyFault,
    /// Until when it rests, in seconds since 1970; 0 if that is over. A refused key counts until it
    /// was accepted again.
    pub(in crate::control) until: i64,
}

/// Why a key rests. The first weighs most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::control) enum KeyFault {
    /// The provider did not accept it.
    #[serde(rename = "c")]
    Refused,
    /// The provider asked for a pause, with one model at least.
    #[serde(rename = "t")]
    Throttled,
}

impl KeyFault {
    pub(in crate::control) fn reason(self) -> Reason {
        match self {
            Self::Refused => Reason::CredentialFault,
            Self::Throttled => Reason::Throttled,
        }
    }
}

/// How the targets and keys of a table fare at one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::control) struct Health {
    /// Targets that have been asked. Those that several routes have in common, with the same
    /// breaker, are one.
    pub(in crate::control) targets: BTreeMap<Mark, TargetNote>,
    /// Keys that something is held against.
    pub(in crate::control) keys: BTreeMap<Mark, KeyNote>,
}

impl Health {
    /// What is known at this moment.
    pub(in crate::control) fn read(table: &RouteTable) -> Self {
        let clock = Clock { now: Instant::now(), date: SystemTime::now() };
        let mut health = Self::default();
        let targets = table.routes.iter().flat_map(|route| &route.targets);
        for upstream in targets.filter_map(|target| target.upstream()) {
            if let Some(note) = target_note(upstream, clock.now) {
                health.targets.insert(target(upstream), note);
            }
            if let Some(pool) = &upstream.keys {
                health.read_keys(pool, clock);
            }
        }
        health
    }

    fn read_keys(&mut self, pool: &KeyPool, clock: Clock) {
        for one in &pool.keys {
            if let Some(note) = key_note(&one.state, clock) {
                self.keys.insert(key(&pool.store, &one.name), note);
            }
        }
    }
}

/// The mark of a target: of what makes it the same one, and of the route's own view of that.
pub(in crate::control) fn target(upstream: &Upstream) -> Mark {
    let identity = upstream.state.identity();
    // A replica of another version may spell a policy otherwise. Its word on the target is then not
    // understood, until the upgrade is over.
    let view = format!("{:?}{}", upstream.breaker, upstream.health_check.is_some());
    let (namespace, model) = (&*identity.namespace, &*identity.model);
    let (url, credential) = (&*identity.base_url, &*identity.credential);
    Mark::of(&["target", namespace, url, identity.protocol, model, credential, &view])
}

/// The mark of a key. The same before and after a rotation.
pub(in crate::control) fn key(store: &ObjectName, name: &str) -> Mark {
    Mark::of(&["key", &store.namespace, &store.name, name])
}

#[derive(Debug, Clone, Copy)]
struct Clock {
    now: Instant,
    date: SystemTime,
}

fn target_note(upstream: &Upstream, now: Instant) -> Option<TargetNote> {
    let lasts = |until: Instant| until.saturating_duration_since(now) >= WORTH_TELLING;
    match upstream.standing(now) {
        Standing::Open { .. } | Standing::HalfOpen => {
            let account = upstream.state.breaker.account(&upstream.breaker, now);
            let permanent = account.permanent_failures > 0;
            return Some(if permanent { TargetNote::Permanent } else { TargetNote::Breaker });
        }
        Standing::Resting { until } if lasts(until) && upstream.throttled_until(now).is_some() => {
            return Some(TargetNote::Throttled);
        }
        Standing::Unhealthy => return Some(TargetNote::Checks),
        _ => {}
    }
    let rests = |pool: &KeyPool| {
        let model = upstream.limited_model();
        pool.keys.iter().all(|key| {
            let until = key.state.resting_until(model, now);
            key.state.faults() > 0 || until.is_some_and(lasts)
        })
    };
    if upstream.keys.as_deref().is_some_and(rests) {
        return Some(TargetNote::Keys);
    }
    upstream.state.was_asked().then_some(TargetNote::Asked)
}

fn key_note(key: &KeyState, clock: Clock) -> Option<KeyNote> {
    if key.faults() > 0 {
        let until = key.refused_until(clock.now).map_or(0, |until| clock.seconds(until));
        return Some(KeyNote { fault: KeyFault::Refused, until });
    }
    let longest = key.pauses(clock.now).into_iter().map(|(_, until)| until).max()?;
    let lasts = longest.saturating_duration_since(clock.now) >= WORTH_TELLING;
    lasts.then(|| KeyNote { fault: KeyFault::Throttled, until: clock.seconds(longest) })
}

impl Clock {
    /// A moment to come, in seconds since 1970.
    fn seconds(self, moment: Instant) -> i64 {
        let date = self.date + moment.saturating_duration_since(self.now);
        let since = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
pub(super) mod tests;
