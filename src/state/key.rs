//! Whether a key may be used now.
//!
//! A key rests for two reasons. One that was throttled waits as long as the provider said. One that
//! the provider did not accept (revoked, out of credit) will hardly work a minute later, so each
//! fault in a row doubles its rest. A success proves that the key is good and ends that; it says
//! nothing about the pause, since under a rate limit successes and refusals come side by side.
//!
//! Before it comes to that, providers say how much is left. A key of which little is left is used
//! after the others, and no rest keeps anybody from it.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::pauses::Pauses;
use super::rest::Rest;
use crate::credential::Identity;

/// A key is known by where it came from and by a digest of its value, so a rotated key starts fresh.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyIdentity {
    /// Namespace of the CredentialStore.
    pub namespace: Arc<str>,
    /// Name of the CredentialStore.
    pub store: Arc<str>,
    /// Name of the key in the store's pool.
    pub key: Arc<str>,
    /// SHA-256 of the key's value, or of everything that makes an identity of a cloud what it is.
    pub digest: [u8; 32],
}

/// Names the key; the digest is left out, because it identifies the secret wherever it is printed.
impl fmt::Debug for KeyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.store, self.key)
    }
}

/// Why a key rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyRest {
    /// The provider asked for a pause.
    Throttled,
    /// The provider did not accept the key.
    CredentialFault,
}

impl KeyRest {
    /// The reason in status, log, metric and admin.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "Throttled",
            Self::CredentialFault => "CredentialFault",
        }
    }
}

/// What is remembered of a key.
#[derive(Debug)]
pub struct KeyState {
    identity: KeyIdentity,
    /// Pauses that the provider asked for.
    throttled: Pauses,
    /// Until when the provider has said that little is left.
    scarce: Pauses,
    refused: Rest,
    /// Credential faults since the last success.
    faults: AtomicU32,
    /// The identity of a cloud that the key stands for, with the tokens it has.
    proves: OnceLock<Arc<dyn Identity>>,
}

impl KeyState {
    /// A key that nothing is known of.
    pub fn new(identity: KeyIdentity) -> Self {
        Self {
            identity,
            throttled: Pauses::default(),
            scarce: Pauses::default(),
            refused: Rest::default(),
            faults: AtomicU32::default(),
            proves: OnceLock::new(),
        }
    }

    /// Which key it is.
    pub fn identity(&self) -> &KeyIdentity {
        &self.identity
    }

    /// The identity of a cloud that this key stands for, made by `make` the first time: its tokens
    /// outlive tables.
    pub fn proves(&self, make: impl FnOnce() -> Arc<dyn Identity>) -> Arc<dyn Identity> {
        Arc::clone(self.proves.get_or_init(make))
    }

    /// Until when it rests for `model`, if it does.
    pub fn resting_until(&self, model: &str, now: Instant) -> Option<Instant> {
        self.resting(model, now).map(|(until, _)| until)
    }

    /// Until when it rests for `model` and why, if it does. Of two reasons the one that holds longer.
    pub fn resting(&self, model: &str, now: Instant) -> Option<(Instant, KeyRest)> {
        let throttled = self.throttled.until(model, now).map(|until| (until, KeyRest::Throttled));
        let refused = self.refused.until(now).map(|until| (until, KeyRest::CredentialFault));
        throttled.into_iter().chain(refused).max_by_key(|(until, _)| *until)
    }

    /// The provider asked for a pause with `model`. A shorter one does not cut a longer one short.
    pub fn throttle(&self, model: &Arc<str>, until: Instant, now: Instant) {
        self.throttled.extend(model, until, now);
    }

    /// The provider has said that little is left for `model` until then: others are better used.
    pub fn run_low(&self, model: &Arc<str>, until: Instant, now: Instant) {
        self.scarce.extend(model, until, now);
    }

    /// The provider has said that enough is left for `model`.
    pub fn has_plenty(&self, model: &str, now: Instant) {
        self.scarce.end(model, now);
    }

    /// Whether little is left for `model`. It may be asked all the same.
    pub fn is_low(&self, model: &str, now: Instant) -> bool {
        self.scarce.until(model, now).is_some()
    }

    /// The provider did not accept the key: it rests for `base`, twice as long with every further
    /// fault, `max` at most. Gives the end of the rest.
    ///
    /// Requests that were on their way when the first fault came back fail the same way; while the
    /// key rests, faults therefore change nothing.
    pub fn fault(&self, base: Duration, max: Duration, now: Instant) -> Instant {
        let faults = self.faults();
        if let Some(until) = self.refused.until(now) {
            return until;
        }
        let until = now + base.saturating_mul(2u32.saturating_pow(faults)).min(max);
        // Of two requests that fail at the same moment one counts.
        let counted = self.faults.compare_exchange(
            faults,
            faults.saturating_add(1),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if counted.is_ok() {
            self.refused.extend(until);
        }
        until
    }

    /// The pauses that the provider asked for and that are not over, by upstream model.
    pub fn pauses(&self, now: Instant) -> Vec<(Arc<str>, Instant)> {
        self.throttled.all(now)
    }

    /// Until when it rests because the provider did not accept it, if it does.
    pub fn refused_until(&self, now: Instant) -> Option<Instant> {
        self.refused.until(now)
    }

    /// Forgets every rest: an operator knows better.
    pub fn reset(&self) {
        self.throttled.clear();
        self.scarce.clear();
        self.succeeded();
    }

    /// Credential faults in a row.
    pub fn faults(&self) -> u32 {
        self.faults.load(Ordering::Relaxed)
    }

    /// The provider accepted the key: its faults are over. A pause that was asked for is not.
    pub fn succeeded(&self) {
        self.refused.end();
        // Every success comes by here: a read does not take the word from other cores.
        if self.faults() != 0 {
            self.faults.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn key() -> KeyState {
        KeyState::new(KeyIdentity {
            namespace: "ai".into(),
            store: "openai".into(),
            key: "primary".into(),
            digest: [0xab; 32],
        })
    }

    #[test]
    fn faults_in_a_row_double_up_to_the_limit() {
        let key = key();
        let mut now = Instant::now();
        for minutes in [1, 2, 4, 5, 5] {
            let until = key.fault(MINUTE, 5 * MINUTE, now);
            assert_eq!(until, now + minutes * MINUTE);
            assert_eq!(key.resting("any", now), Some((until, KeyRest::CredentialFault)));
            now = until;
        }
        assert_eq!((key.resting("any", now), key.faults()), (None, 5));
        key.succeeded();
        assert_eq!(key.fault(MINUTE, 5 * MINUTE, now), now + MINUTE);
    }

    #[test]
    fn faults_of_requests_sent_together_count_once() {
        let (key, now) = (key(), Instant::now());
        let until = key.fault(MINUTE, 5 * MINUTE, now);
        assert_eq!(key.fault(MINUTE, 5 * MINUTE, now + MINUTE / 2), until);
        assert_eq!(key.faults(), 1);
    }

    #[test]
    fn the_longer_rest_is_the_reason() {
        let (key, now, model) = (key(), Instant::now(), "large".into());
        key.throttle(&model, now + MINUTE, now);
        key.fault(2 * MINUTE, 2 * MINUTE, now);
        assert_eq!(key.resting(&model, now), Some((now + 2 * MINUTE, KeyRest::CredentialFault)));
        key.throttle(&model, now + 3 * MINUTE, now);
        assert_eq!(key.resting(&model, now), Some((now + 3 * MINUTE, KeyRest::Throttled)));
    }

    #[test]
    fn a_throttled_model_leaves_the_key_to_the_others() {
        let (key, now) = (key(), Instant::now());
        let [large, small]: [Arc<str>; 2] = ["large".into(), "small".into()];
        key.throttle(&large, now + 2 * MINUTE, now);
        key.throttle(&large, now + MINUTE, now);
        assert_eq!(key.resting_until(&large, now), Some(now + 2 * MINUTE), "the longer one holds");
        assert_eq!(key.resting_until(&small, now), None);
        key.throttle(&small, now + MINUTE, now);
        assert_eq!(key.resting_until(&small, now), Some(now + MINUTE));
        assert_eq!(key.resting_until(&small, now + MINUTE), None);
        assert_eq!(key.resting_until(&large, now + MINUTE), Some(now + 2 * MINUTE));
    }

    #[test]
    fn a_success_ends_faults_and_leaves_the_pause() {
        let (key, now, model) = (key(), Instant::now(), "large".into());
        key.throttle(&model, now + MINUTE, now);
        key.fault(2 * MINUTE, 2 * MINUTE, now);
        key.succeeded();
        assert_eq!(key.resting(&model, now), Some((now + MINUTE, KeyRest::Throttled)));
        assert_eq!(key.faults(), 0);
    }

    #[test]
    fn a_reset_ends_every_rest_and_starts_the_doubling_anew() {
        let (key, now, model) = (key(), Instant::now(), "large".into());
        key.throttle(&model, now + MINUTE, now);
        key.fault(MINUTE, 5 * MINUTE, now);
        assert_eq!(key.pauses(now), [(model.clone(), now + MINUTE)]);
        assert_eq!(key.pauses(now + MINUTE), []);
        assert_eq!(key.refused_until(now), Some(now + MINUTE));
        key.reset();
        assert_eq!((key.resting(&model, now), key.refused_until(now)), (None, None));
        assert!(key.pauses(now).is_empty());
        assert_eq!(key.fault(MINUTE, 5 * MINUTE, now), now + MINUTE);
    }

    #[test]
    fn debug_does_not_show_the_digest() {
        let shown = format!("{:?}", key());
        assert!(shown.contains("ai/openai:primary") && !shown.contains("171"), "{shown}");
    }
}
