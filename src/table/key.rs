//! Provider keys, in types that cannot print themselves.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::ObjectName;
use crate::balance::affinity::{Mark, Session};
use crate::credential::Identity;
use crate::provider::Cloud;
use crate::state::{KeyRest, KeyState};

/// A secret text: no `Display`, a `Debug` that says nothing, memory wiped on drop.
#[derive(Clone)]
pub struct SecretText(SecretString);

impl SecretText {
    /// Takes the text of a secret; a trailing newline, which `kubectl create secret --from-file`
    /// likes to keep, is not part of it.
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text.trim_end_matches(['\r', '\n'])))
    }

    /// The text, for the one place that must put it on the wire or digest it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// One key of a pool.
#[derive(Debug)]
pub struct Key {
    /// The name by which status, logs and metrics speak of it.
    pub name: Arc<str>,
    /// Lower is used first under [`KeySelection::InOrder`].
    pub priority: i32,
    /// How it proves a request.
    pub proof: Proof,
    /// Its cool-down, which outlives tables.
    pub state: Arc<KeyState>,
}

/// How a key proves a request.
#[derive(Debug)]
pub enum Proof {
    /// By standing in a header.
    Header {
        /// `Bearer KEY`, marked sensitive.
        bearer: HeaderValue,
        /// The key alone, marked sensitive.
        plain: HeaderValue,
    },
    /// By what an identity of a cloud makes of it.
    Identity(Arc<dyn Identity>),
}

impl Key {
    /// Prepares a key's header values. `None` if the text cannot stand in an HTTP header.
    pub fn new(
        name: impl Into<Arc<str>>,
        priority: i32,
        value: &SecretText,
        state: Arc<KeyState>,
    ) -> Option<Self> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", value.expose())).ok()?;
        let mut plain = HeaderValue::from_str(value.expose()).ok()?;
        bearer.set_sensitive(true);
        plain.set_sensitive(true);
        let proof = Proof::Header { bearer, plain };
        Some(Self { name: name.into(), priority, proof, state })
    }

    /// A key that stands for an identity of a cloud.
    pub fn of_identity(
        name: impl Into<Arc<str>>,
        identity: Arc<dyn Identity>,
        state: Arc<KeyState>,
    ) -> Self {
        Self { name: name.into(), priority: 0, proof: Proof::Identity(identity), state }
    }

    /// The provider did not accept it. Says whether it is worth another try at once.
    pub fn refused(&self) -> bool {
        match &self.proof {
            Proof::Header { .. } => false,
            Proof::Identity(identity) => identity.refused(),
        }
    }
}

/// How the next key of a pool is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySelection {
    /// The first rested key in priority order.
    InOrder,
    /// Each rested key in turn; priority is not looked at. A session keeps to one.
    RoundRobin,
}

/// The usable keys of one CredentialStore.
#[derive(Debug)]
pub struct KeyPool {
    /// The store the keys come from.
    pub store: ObjectName,
    /// Whose identities they are; `None` if they are plain keys.
    pub cloud: Option<Cloud>,
    /// Sorted by priority, then by their place in the store. Never empty.
    pub keys: Vec<Arc<Key>>,
    /// How to choose among them.
    pub selection: KeySelection,
    /// The turn of round-robin; starts at random so that replicas do not move in step.
    pub turn: AtomicUsize,
}

impl KeyPool {
    /// The key to ask `model` with now, leaving out those in `tried` and those that are cooling down.
    /// One of which little is left is used after the others. Where keys take turns, a session keeps
    /// to one: caches of prompts are the account's.
    pub fn pick(
        &self,
        model: &str,
        now: Instant,
        tried: &[Arc<str>],
        session: Option<Session>,
    ) -> Option<Arc<Key>> {
        let may = |key: &&Arc<Key>| {
            !tried.contains(&key.name) && key.state.resting_until(model, now).is_none()
        };
        let is_low = |key: &Arc<Key>| key.state.is_low(model, now);
        let start = match (self.selection, session) {
            (KeySelection::InOrder, _) => 0,
            (KeySelection::RoundRobin, None) => self.turn.fetch_add(1, Ordering::Relaxed),
            (KeySelection::RoundRobin, Some(session)) => {
                let draw = |key: &Arc<Key>| session.draw(Mark::of(&[&key.name]));
                let keys = self.keys.iter().filter(may);
                return keys.max_by_key(|key| (!is_low(key), draw(key))).cloned();
            }
        };
        let count = self.keys.len();
        let in_turn = (0..count).map(|step| &self.keys[(start.wrapping_add(step)) % count]);
        // Of equals the first.
        in_turn.filter(may).min_by_key(|key| is_low(key)).cloned()
    }

    /// When the first key is rested again for `model`; `None` if one is rested now.
    pub fn rested_at(&self, model: &str, now: Instant) -> Option<Instant> {
        let mut soonest: Option<Instant> = None;
        for key in &self.keys {
            let until = key.state.resting_until(model, now)?;
            soonest = Some(soonest.map_or(until, |at| at.min(until)));
        }
        soonest
    }

    /// Whether all of them rest because the provider did not accept them.
    pub fn are_refused(&self, model: &str, now: Instant) -> bool {
        self.keys
            .iter()
            .all(|key| matches!(key.state.resting(model, now), Some((_, KeyRest::CredentialFault))))
    }
}

#[cfg(test)]
mod tests;
