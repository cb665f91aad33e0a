use std::time::Duration;

use super::*;
use crate::state::KeyIdentity;

const MINUTE: Duration = Duration::from_secs(60);

fn pool(selection: KeySelection) -> KeyPool {
    let key = |name: &str| {
        let identity = KeyIdentity {
            namespace: "ai".into(),
            store: "openai".into(),
            key: name.into(),
            digest: [0; 32],
        };
        let state = Arc::new(KeyState::new(identity));
        let text = SecretText::new("a-key-of-a-provider");
        Arc::new(Key::new(name, 0, &text, state).expect("a header"))
    };
    KeyPool {
        store: ObjectName::new("ai", "openai"),
        cloud: None,
        keys: ["a", "b", "c"].map(key).into(),
        selection,
        turn: AtomicUsize::new(0),
    }
}

fn picked(pool: &KeyPool, session: Option<Session>, now: Instant) -> String {
    pool.pick("m", now, &[], session).expect("one is rested").name.to_string()
}

fn low(pool: &KeyPool, at: usize, now: Instant) {
    pool.keys[at].state.run_low(&"m".into(), now + MINUTE, now);
}

#[test]
fn a_key_that_is_nearly_out_is_used_after_the_others_until_the_reset() {
    let (pool, now) = (pool(KeySelection::InOrder), Instant::now());
    assert_eq!(picked(&pool, None, now), "a");
    low(&pool, 0, now);
    assert_eq!(picked(&pool, None, now), "b");
    assert!(pool.pick("other", now, &[], None).is_some_and(|key| &*key.name == "a"));
    pool.keys[1].state.throttle(&"m".into(), now + MINUTE, now);
    assert_eq!(picked(&pool, None, now), "c");
    pool.keys[2].state.fault(MINUTE, MINUTE, now);
    assert_eq!(picked(&pool, None, now), "a", "it is a preference and no refusal");
    assert_eq!(pool.rested_at("m", now), None);
    assert_eq!(picked(&pool, None, now + MINUTE), "a");
    pool.keys[0].state.has_plenty("m", now);
    assert!(!pool.keys[0].state.is_low("m", now));
}

#[test]
fn turns_pass_over_a_key_that_is_nearly_out() {
    let (pool, now) = (pool(KeySelection::RoundRobin), Instant::now());
    low(&pool, 1, now);
    let picks: Vec<String> = (0..6).map(|_| picked(&pool, None, now)).collect();
    assert!(picks.iter().all(|name| name != "b"), "{picks:?}");
    low(&pool, 0, now);
    low(&pool, 2, now);
    let picks: Vec<String> = (0..6).map(|_| picked(&pool, None, now)).collect();
    assert_eq!(picks, ["a", "b", "c", "a", "b", "c"], "all are as good");
}

#[test]
fn a_session_keeps_its_key_and_comes_back_to_it() {
    let (pool, now) = (pool(KeySelection::RoundRobin), Instant::now());
    let mut seen = std::collections::BTreeMap::new();
    for number in 0..60 {
        let session = Some(Session::of(&[&number.to_string()]));
        let own = picked(&pool, session, now);
        assert!((0..4).all(|_| picked(&pool, session, now) == own));
        let at = pool.keys.iter().position(|key| *key.name == *own).expect("one of them");
        low(&pool, at, now);
        assert_ne!(picked(&pool, session, now), own);
        pool.keys[at].state.has_plenty("m", now);
        assert_eq!(picked(&pool, session, now), own);
        *seen.entry(own).or_insert(0) += 1;
    }
    assert!(seen.len() == 3 && seen.values().all(|count| *count > 8), "{seen:?}");
    assert_eq!(pool.turn.load(Ordering::Relaxed), 0, "a session takes nobody's turn");
}

#[test]
fn in_order_stays_in_order_whatever_the_session() {
    let (pool, now) = (pool(KeySelection::InOrder), Instant::now());
    for number in 0..20 {
        assert_eq!(picked(&pool, Some(Session::of(&[&number.to_string()])), now), "a");
    }
}
