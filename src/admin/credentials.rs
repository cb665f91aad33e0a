//! How keys fare, by their names. Never a value, nor anything that is made of one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::clock::Clock;
use super::filter::Filter;
use crate::api::Reason;
use crate::compile::{Details, ObjectReport};
use crate::state::{KeyRest, KeyState};
use crate::table::{KeyPool, ObjectName, RouteTable};

/// How a key fares, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyStanding {
    /// It can be used.
    Available,
    /// The provider asked for a pause, with one model at least.
    Throttled(Instant),
    /// The provider did not accept it.
    Refused(Instant),
    /// Its value is missing or cannot be used.
    Unresolved,
}

impl KeyStanding {
    /// Every word of [`Self::as_str`].
    pub(super) const WORDS: [&'static str; 4] = ["available", "throttled", "refused", "unresolved"];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Throttled(_) => "throttled",
            Self::Refused(_) => "refused",
            Self::Unresolved => "unresolved",
        }
    }

    /// Of a key that has a value.
    pub(super) fn of(key: &KeyState, now: Instant) -> Self {
        if let Some(until) = key.refused_until(now) {
            return Self::Refused(until);
        }
        let longest = key.pauses(now).into_iter().map(|(_, until)| until).max();
        longest.map_or(Self::Available, Self::Throttled)
    }

    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Available | Self::Unresolved => None,
            Self::Throttled(_) => Some(KeyRest::Throttled.as_str()),
            Self::Refused(_) => Some(KeyRest::CredentialFault.as_str()),
        }
    }

    fn until(self) -> Option<Instant> {
        match self {
            Self::Available | Self::Unresolved => None,
            Self::Throttled(until) | Self::Refused(until) => Some(until),
        }
    }
}

/// What is known of one store.
#[derive(Debug, Default)]
pub(super) struct Store<'a> {
    /// Its usable keys, where a route uses it.
    pub(super) pool: Option<&'a Arc<KeyPool>>,
    /// Its keys as the resource has them, with what is wrong with each.
    pub(super) stated: Vec<(&'a str, Option<&'static str>)>,
}

impl<'a> Store<'a> {
    /// Its keys, each with what is wrong with it, if that is not a matter of time.
    pub(super) fn keys(
        &self,
        now: Instant,
    ) -> Vec<(&'a str, KeyStanding, Option<&'static str>, Option<&'a KeyState>)> {
        let pool = self.pool.map_or(&[][..], |pool| &pool.keys);
        let mut keys = Vec::new();
        for (name, fault) in &self.stated {
            if fault.is_some() {
                keys.push((*name, KeyStanding::Unresolved, *fault, None));
            } else if !pool.iter().any(|key| *key.name == **name) {
                // Nobody uses it, so nothing can have happened to it.
                keys.push((*name, KeyStanding::Available, None, None));
            }
        }
        keys.extend(pool.iter().map(|key| {
            let standing = KeyStanding::of(&key.state, now);
            (&*key.name, standing, standing.reason(), Some(&*key.state))
        }));
        keys.sort_by_key(|(name, ..)| *name);
        keys
    }
}

/// Every store of this gateway that is asked about.
pub(super) fn stores<'a>(
    table: &'a RouteTable,
    reports: &'a [ObjectReport],
    filter: &Filter,
) -> BTreeMap<&'a ObjectName, Store<'a>> {
    let mut stores: BTreeMap<&ObjectName, Store<'_>> = BTreeMap::new();
    for report in reports {
        let Details::Store { keys } = &report.details else { continue };
        let keys = keys.iter().map(|key| (&*key.name, key.fault.map(Reason::as_str)));
        stores.entry(&report.object.name).or_default().stated = keys.collect();
    }
    let mut used = Vec::new();
    for route in &table.routes {
        let upstreams = route.targets.iter().filter_map(|target| target.upstream());
        for pool in upstreams.filter_map(|upstream| upstream.keys.as_ref()) {
            stores.entry(&pool.store).or_default().pool = Some(pool);
            if filter.admits(route) {
                used.push(&pool.store);
            }
        }
    }
    stores.retain(|name, _| {
        if filter.names_a_route() { used.contains(name) } else { filter.admits_namespace(name) }
    });
    stores
}

/// `GET /admin/credentials`.
pub(super) fn list(table: &RouteTable, reports: &[ObjectReport], filter: &Filter) -> Value {
    let clock = Clock::read();
    let stores = stores(table, reports, filter).into_iter().map(|(name, store)| {
        let keys = store.keys(clock.now).into_iter();
        let keys =
            keys.map(|(name, standing, reason, state)| key(name, standing, reason, state, clock));
        json!({
            "namespace": &*name.namespace,
            "name": &*name.name,
            "inUse": store.pool.is_some(),
            "keys": keys.collect::<Vec<_>>(),
        })
    });
    json!({"generation": table.generation, "stores": stores.collect::<Vec<_>>()})
}

/// The usable keys of a pool.
pub(super) fn keys(pool: &KeyPool, clock: Clock) -> Vec<Value> {
    let shown = pool.keys.iter().map(|one| {
        let standing = KeyStanding::of(&one.state, clock.now);
        key(&one.name, standing, standing.reason(), Some(&one.state), clock)
    });
    shown.collect()
}

fn key(
    name: &str,
    standing: KeyStanding,
    reason: Option<&str>,
    state: Option<&KeyState>,
    clock: Clock,
) -> Value {
    let pauses = state.map(|state| state.pauses(clock.now)).unwrap_or_default();
    let pauses = pauses
        .into_iter()
        .map(|(model, until)| json!({"model": &*model, "until": clock.date(Some(until))}));
    json!({
        "name": name,
        "state": standing.as_str(),
        "reason": reason,
        "until": clock.date(standing.until()),
        "throttledModels": pauses.collect::<Vec<_>>(),
    })
}
