use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::compile::{self, Compiled, LastGood, Raw, SecretData, Snapshot, Tenancy};
use crate::state::{BreakerPolicy, Signal, StateStore};
use crate::table::SecretText;

/// A route `ai/chat` with the targets `a`, which takes a key of the store `ai/keys`, and `b`.
pub(in crate::control::replicas) fn compiled(state: &StateStore) -> Compiled {
    let raw = |name: &str, spec| Raw {
        name: ObjectName::new("ai", name),
        uid: name.into(),
        created: None,
        generation: 1,
        spec: Arc::new(spec),
    };
    let route = json!({"targets": [
        {"name": "a", "provider": "openai", "model": "m", "credentialRef": {"name": "keys"}},
        {"name": "b", "provider": "openai-compatible", "model": "m", "baseURL": "http://b/v1"},
    ]});
    let from = json!({"secretKeyRef": {"name": "secret", "key": "key"}});
    let store = json!({"type": "APIKey", "apiKey": {"keys": [{"name": "k", "valueFrom": from}]}});
    let secret =
        SecretData::Present([("key".to_owned(), SecretText::new("a-key-of-some-length"))].into());
    let snapshot = Snapshot {
        routes: vec![raw("chat", route)],
        stores: vec![raw("keys", store)],
        secrets: [(ObjectName::new("ai", "secret"), secret)].into(),
        ..Snapshot::default()
    };
    let tenancy = Tenancy { operator_owned: true, ..Tenancy::new("default") };
    compile::compile(&snapshot, &tenancy, &LastGood::default(), state)
}

fn upstream<'t>(table: &'t RouteTable, name: &str) -> &'t Upstream {
    let target = table.routes[0].target(name).expect("it is in the spec");
    target.upstream().expect("it is resolved")
}

fn note(table: &RouteTable, name: &str) -> Option<TargetNote> {
    Health::read(table).targets.get(&target(upstream(table, name))).copied()
}

fn key_of(table: &RouteTable) -> (&KeyState, Option<KeyNote>) {
    let pool = upstream(table, "a").keys.as_deref().expect("it has a store");
    let note = Health::read(table).keys.get(&key(&pool.store, "k")).copied();
    (&pool.keys[0].state, note)
}

const LONG: Duration = Duration::from_secs(600);

#[test]
fn of_a_target_that_nobody_asked_nothing_is_known() {
    let table = compiled(&StateStore::new()).table;
    assert_eq!((note(&table, "a"), note(&table, "b")), (None, None));
    upstream(&table, "b").state.usual_reply.observe(Duration::from_secs(1));
    assert_eq!(note(&table, "b"), Some(TargetNote::Asked));
}

#[test]
fn an_open_breaker_counts_until_the_target_has_answered() {
    let table = compiled(&StateStore::new()).table;
    let b = upstream(&table, "b");
    let fail = |signal, at| b.state.breaker.record(signal, &b.breaker, at);
    // Long enough ago that its rest is over: half-open.
    let before = Instant::now().checked_sub(LONG).expect("the clock has run that long");
    for _ in 0..BreakerPolicy::built_in().failure_threshold {
        fail(Signal::Failure, before);
    }
    assert_eq!(b.standing(Instant::now()), Standing::HalfOpen);
    assert_eq!(note(&table, "b"), Some(TargetNote::Breaker));
    fail(Signal::Permanent, Instant::now());
    assert_eq!(note(&table, "b"), Some(TargetNote::Permanent));
    b.state.reset();
    assert_eq!(note(&table, "b"), None);
}

#[test]
fn a_short_pause_is_not_worth_telling() {
    let table = compiled(&StateStore::new()).table;
    let (now, b) = (Instant::now(), upstream(&table, "b"));
    b.state.rest(now + WORTH_TELLING / 2);
    assert_eq!(note(&table, "b"), None);
    b.state.rest(now + LONG);
    assert_eq!(note(&table, "b"), Some(TargetNote::Throttled));

    let (state, _) = key_of(&table);
    let model = upstream(&table, "a").limited_model();
    state.throttle(model, now + WORTH_TELLING / 2, now);
    assert_eq!((key_of(&table).1, note(&table, "a")), (None, None));
    state.throttle(model, now + LONG, now);
    assert_eq!(key_of(&table).1.map(|note| note.fault), Some(KeyFault::Throttled));
    assert_eq!(note(&table, "a"), Some(TargetNote::Keys));
}

#[test]
fn a_refused_key_counts_until_it_is_accepted() {
    let table = compiled(&StateStore::new()).table;
    let (state, _) = key_of(&table);
    state.fault(LONG, LONG, Instant::now());
    let told = key_of(&table).1.expect("it was refused");
    assert_eq!(told.fault, KeyFault::Refused);
    assert!(told.until > 0);
    assert_eq!(note(&table, "a"), Some(TargetNote::Keys), "it has no other");
    state.succeeded();
    assert_eq!((key_of(&table).1, note(&table, "a")), (None, None));

    // A rest that was over long ago.
    let before = Instant::now().checked_sub(2 * LONG).expect("the clock has run that long");
    state.fault(LONG, LONG, before);
    assert_eq!(key_of(&table).1, Some(KeyNote { fault: KeyFault::Refused, until: 0 }));
}
