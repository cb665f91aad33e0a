use std::time::{Duration, Instant};

use super::super::health::KeyFault;
use super::super::health::tests::compiled;
use super::super::word::Serves;
use super::*;
use crate::compile::Details;
use crate::state::StateStore;
use crate::table::Upstream;

/// The reports of a compile with a route `ai/chat`.
fn reports() -> Vec<ObjectReport> {
    compiled(&StateStore::new()).reports
}

fn route(reports: &[ObjectReport]) -> &ObjectReport {
    let is_route = |one: &&ObjectReport| matches!(one.details, Details::Route { .. });
    reports.iter().find(is_route).expect("there is one")
}

pub(in crate::control::replicas) fn some_route() -> ObjectReport {
    route(&reports()).clone()
}

fn fleet(words: impl IntoIterator<Item = Option<Word>>) -> Fleet {
    let named = |(number, word): (usize, Option<Word>)| {
        (format!("pod-{number}").into(), word.map(Arc::new))
    };
    Fleet::Read(words.into_iter().enumerate().map(named).collect())
}

fn view(reports: &[ObjectReport], fleet: &Fleet, counts: bool) -> View {
    View::new(RouteTable::empty().into(), reports, fleet, counts).expect("the others were read")
}

#[test]
fn a_route_is_served_everywhere_when_all_have_its_generation() {
    let reports = reports();
    let same = || Some(Word::of(&reports));
    for others in [fleet([]), fleet([same()]), fleet([same(), same()])] {
        assert_eq!(view(&reports, &others, true).serving(route(&reports)), Serving::Everywhere);
    }
}

#[test]
fn who_lags_refuses_or_cannot_be_understood_is_waited_for() {
    let reports = reports();
    let mut older = reports.clone();
    let mut refusing = reports.clone();
    for one in older.iter_mut().chain(&mut refusing) {
        one.generation = 1;
    }
    let mut newest = reports.clone();
    for one in &mut newest {
        one.generation = 2;
        if let Details::Route { served_generation, .. } = &mut one.details {
            *served_generation = Some(2);
        }
    }
    // It has taken in the newest and cannot serve it.
    for one in &mut refusing {
        one.generation = 2;
    }
    let others =
        fleet([Some(Word::of(&newest)), Some(Word::of(&older)), Some(Word::of(&refusing)), None]);
    let waits = |serve, of| Serving::Waiting {
        serve,
        of,
        absent: BTreeMap::from([
            (Absence::Lags, vec!["pod-1".into()]),
            (Absence::Refuses, vec!["pod-2".into()]),
            (Absence::Unclear, vec!["pod-3".into()]),
        ]),
        certain: true,
    };
    assert_eq!(view(&newest, &others, true).serving(route(&newest)), waits(2, 5));
    let drains = view(&newest, &others, false);
    assert_eq!(drains.serving(route(&newest)), waits(1, 4));
}

#[test]
fn who_is_ahead_is_unclear_for_a_moment() {
    let reports = reports();
    let mut ahead = reports.clone();
    for one in &mut ahead {
        one.generation += 1;
        if let Details::Route { served_generation, .. } = &mut one.details {
            *served_generation = Some(one.generation);
        }
    }
    let seen = view(&reports, &fleet([Some(Word::of(&ahead))]), true);
    let Serving::Waiting { certain, .. } = seen.serving(route(&reports)) else {
        panic!("it is not known to serve what this one does");
    };
    assert!(!certain);
}

fn upstream<'t>(table: &'t RouteTable, name: &str) -> &'t Upstream {
    table.routes[0].target(name).and_then(|target| target.upstream()).expect("it is resolved")
}

#[test]
fn who_serves_what_this_one_does_not_is_named_unless_it_could_not_tell_all() {
    let reports = reports();
    let mut serving = reports.clone();
    for one in &mut serving {
        if let Details::Route { served_generation, .. } = &mut one.details {
            *served_generation = Some(one.generation);
        }
    }
    let mut refusing = serving.clone();
    for one in &mut refusing {
        if let Details::Route { served_generation, .. } = &mut one.details {
            *served_generation = None;
        }
    }
    let mut full = Word::of(&serving);
    full.serves.not = (0..128).map(|number| Mark::of(&[&number.to_string()])).collect();
    let others = fleet([Some(Word::of(&serving)), Some(Word::of(&refusing)), Some(full), None]);
    let view = view(&refusing, &others, true);
    assert_eq!(view.served_elsewhere(route(&refusing)), ["pod-0".into()]);
}

#[test]
fn nothing_is_seen_before_the_others_were_read() {
    assert!(View::new(RouteTable::empty().into(), &[], &Fleet::Unread, true).is_none());
}

#[test]
fn opinions_on_targets_and_keys_are_gathered() {
    let here = compiled(&StateStore::new());
    let there = compiled(&StateStore::new());
    let now = Instant::now();
    let hour = Duration::from_secs(3600);
    upstream(&there.table, "b").state.rest(now + hour);
    let pool = upstream(&there.table, "a").keys.as_deref().expect("it has keys");
    pool.keys[0].state.fault(hour, hour, now);
    upstream(&here.table, "a").state.usual_reply.observe(Duration::from_secs(1));

    let word = Word::new(Serves::of(&there.reports), &Health::read(&there.table));
    let view = View::new(here.table.into(), &here.reports, &fleet([Some(word), None]), true);
    let view = view.expect("the others were read");
    let chat = ObjectName::new("ai", "chat");
    let opinion = |notes, well, asked| Opinion { notes, well, asked };
    assert_eq!(view.target(&chat, "a"), opinion(vec![TargetNote::Keys], 1, true));
    assert_eq!(view.target(&chat, "b"), opinion(vec![TargetNote::Throttled], 1, true));
    assert_eq!(view.target(&chat, "other"), opinion(Vec::new(), 0, false));
    let key = view.key(&ObjectName::new("ai", "keys"), "k");
    assert_eq!(key.notes[0].fault, KeyFault::Refused);
    assert_eq!(key.well, 1);
}
