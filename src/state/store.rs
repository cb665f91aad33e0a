//! Where the memory is, by identity.
//!
//! Compile asks for the state of each target and key it puts in a table and the table holds on to
//! it; requests use what the table holds and never come here. So a plain lock does, and whether a
//! state is still needed can be read off its `Arc`: if nobody but the store has it, no table, no
//! request and no stream does.
//!
//! What nobody needs is kept for a grace period, because a route that is deleted and made again a
//! moment later is the same one, and then forgotten, because names and keys that come and go must
//! not fill the memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{
    EndpointIdentity, EndpointState, KeyIdentity, KeyState, ServerIdentity, ServerState,
    TargetIdentity, TargetState,
};

/// The memory of the process. One per process; everything in it is shared by identity.
#[derive(Debug, Default)]
pub struct StateStore {
    targets: Shelf<TargetIdentity, TargetState>,
    keys: Shelf<KeyIdentity, KeyState>,
    endpoints: Shelf<EndpointIdentity, EndpointState>,
    servers: Shelf<ServerIdentity, ServerState>,
}

/// What [`StateStore::retain_referenced`] threw away, so that who shows them can follow.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// Targets.
    pub targets: Vec<TargetIdentity>,
    /// Keys.
    pub keys: Vec<KeyIdentity>,
}

impl StateStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state of that target: the same identity always gives the same `Arc`.
    pub fn target(&self, id: &TargetIdentity) -> Arc<TargetState> {
        self.targets.adopt(id, TargetState::new)
    }

    /// The state of that key: the same identity always gives the same `Arc`.
    pub fn key(&self, id: &KeyIdentity) -> Arc<KeyState> {
        self.keys.adopt(id, KeyState::new)
    }

    /// The state of that endpoint: the same identity always gives the same `Arc`, and endpoints of
    /// one server share what it is doing.
    pub fn endpoint(&self, id: &EndpointIdentity) -> Arc<EndpointState> {
        let server = self.servers.adopt(&id.server, ServerState::new);
        self.endpoints.adopt(id, |_| EndpointState::new(server))
    }

    /// Every target that is remembered, in no order.
    pub fn targets(&self) -> Vec<Arc<TargetState>> {
        self.targets.all()
    }

    /// Every key that is remembered, in no order.
    pub fn keys(&self) -> Vec<Arc<KeyState>> {
        self.keys.all()
    }

    /// Forgets what nobody has referred to for `grace`, counted from the first call that found it
    /// so. Meant to be called after each publication and now and then between, since old routes
    /// live as long as their longest stream.
    pub fn retain_referenced(&self, now: Instant, grace: Duration) -> Forgotten {
        // A guard in a response body holds the counter alone and may outlive its table.
        let targets = self.targets.retain(now, grace, |target| target.in_flight.count() > 0);
        self.endpoints.retain(now, grace, |_| false);
        // After the endpoints, which hold on to them.
        self.servers.retain(now, grace, |server| server.in_flight.count() > 0);
        Forgotten { targets, keys: self.keys.retain(now, grace, |_| false) }
    }
}

#[derive(Debug)]
struct Shelf<I, S>(Mutex<HashMap<I, Kept<S>>>);

#[derive(Debug)]
struct Kept<S> {
    state: Arc<S>,
    /// Since when nobody is known to need it.
    idle_since: Option<Instant>,
}

impl<I, S> Default for Shelf<I, S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<I: Clone + Eq + Hash, S> Shelf<I, S> {
    fn adopt(&self, id: &I, new: impl FnOnce(I) -> S) -> Arc<S> {
        let mut known = self.0.lock();
        if let Some(kept) = known.get_mut(id) {
            kept.idle_since = None;
            return Arc::clone(&kept.state);
        }
        let state = Arc::new(new(id.clone()));
        known.insert(id.clone(), Kept { state: Arc::clone(&state), idle_since: None });
        state
    }

    fn all(&self) -> Vec<Arc<S>> {
        self.0.lock().values().map(|kept| Arc::clone(&kept.state)).collect()
    }

    fn retain(&self, now: Instant, grace: Duration, busy: impl Fn(&S) -> bool) -> Vec<I> {
        let mut forgotten = Vec::new();
        self.0.lock().retain(|id, kept| {
            // With the shelf locked and the only reference here, nobody can make another.
            if Arc::strong_count(&kept.state) > 1 || busy(&kept.state) {
                kept.idle_since = None;
                return true;
            }
            let since = *kept.idle_since.get_or_insert(now);
            let keep = now.saturating_duration_since(since) < grace;
            if !keep {
                forgotten.push(id.clone());
            }
            keep
        });
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(60);

    fn target(model: &str) -> TargetIdentity {
        TargetIdentity {
            namespace: "ai".into(),
            base_url: "https://api.example.com/v1".into(),
            protocol: "openai",
            model: model.into(),
            credential: "ai/openai".into(),
        }
    }

    fn key(digest: u8) -> KeyIdentity {
        KeyIdentity {
            namespace: "ai".into(),
            store: "openai".into(),
            key: "primary".into(),
            digest: [digest; 32],
        }
    }

    #[test]
    fn the_same_identity_is_the_same_state() {
        let store = StateStore::new();
        assert!(Arc::ptr_eq(&store.target(&target("a")), &store.target(&target("a"))));
        assert!(!Arc::ptr_eq(&store.target(&target("a")), &store.target(&target("b"))));
        assert!(Arc::ptr_eq(&store.key(&key(1)), &store.key(&key(1))));
        assert!(!Arc::ptr_eq(&store.key(&key(1)), &store.key(&key(2))), "a rotated key is new");
        assert_eq!((store.targets().len(), store.keys().len()), (2, 2));
        assert_eq!(store.target(&target("a")).identity(), &target("a"));
    }

    #[test]
    fn endpoints_of_one_server_share_its_count_and_nothing_else() {
        let (store, now) = (StateStore::new(), Instant::now());
        let endpoint = |model: &str, pod: &str| {
            let server = ServerIdentity { namespace: "ai".into(), pod: pod.into(), port: 8000 };
            store.endpoint(&EndpointIdentity { target: target(model), server })
        };
        let running = endpoint("a", "pod-1").server.in_flight.enter();
        assert_eq!(endpoint("b", "pod-1").server.in_flight.count(), 1);
        assert_eq!(
            endpoint("a", "pod-2").server.in_flight.count(),
            0,
            "made anew, it is another one"
        );
        endpoint("a", "pod-1").rest(now + GRACE);
        assert!(endpoint("b", "pod-1").resting_until(now).is_none());
        assert!(endpoint("a", "pod-1").resting_until(now).is_some());

        // A running request keeps the count, and nothing keeps what is held against nobody's endpoint.
        store.retain_referenced(now, GRACE);
        store.retain_referenced(now + 2 * GRACE, GRACE);
        assert_eq!(endpoint("a", "pod-1").server.in_flight.count(), 1);
        assert!(endpoint("a", "pod-1").resting_until(now).is_none());
        drop(running);
    }

    #[test]
    fn what_somebody_holds_is_never_forgotten() {
        let (store, now) = (StateStore::new(), Instant::now());
        let held = store.target(&target("a"));
        let streaming = store.target(&target("b")).in_flight.enter();
        store.retain_referenced(now, GRACE);
        assert!(store.retain_referenced(now + 9 * GRACE, GRACE).targets.is_empty());

        drop((held, streaming));
        store.retain_referenced(now + 10 * GRACE, GRACE);
        let mut forgotten = store.retain_referenced(now + 11 * GRACE, GRACE).targets;
        forgotten.sort_by(|a, b| a.model.cmp(&b.model));
        assert_eq!(forgotten, [target("a"), target("b")]);
        assert!(store.targets().is_empty());
    }

    #[test]
    fn what_comes_back_within_the_grace_period_is_as_it_was() {
        let (store, now) = (StateStore::new(), Instant::now());
        let rest = now + 100 * GRACE;
        store.target(&target("a")).rest(rest);
        store.key(&key(1)).throttle(&"m".into(), rest, now);
        store.retain_referenced(now, GRACE);

        // Back for a moment: the period begins anew.
        let late = now + GRACE / 2;
        assert_eq!(store.target(&target("a")).resting_until(late), Some(rest));
        assert_eq!(store.key(&key(1)).resting_until("m", late), Some(rest));
        let forgotten = store.retain_referenced(now + GRACE, GRACE);
        assert!(forgotten.targets.is_empty() && forgotten.keys.is_empty());

        let forgotten = store.retain_referenced(now + 2 * GRACE, GRACE);
        assert_eq!((forgotten.targets, forgotten.keys), (vec![target("a")], vec![key(1)]));
        assert_eq!(store.target(&target("a")).resting_until(now), None, "a new one");
    }
}
