mod model;

use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any rest of [`BreakerPolicy::built_in`] but a permanent one.
const RESTED: Duration = Duration::from_secs(18);

fn policy() -> BreakerPolicy {
    BreakerPolicy::built_in()
}

fn breaker() -> (Arc<Breaker>, Instant) {
    (Arc::default(), Instant::now())
}

fn fail(breaker: &Breaker, times: u32, now: Instant) {
    for _ in 0..times {
        breaker.record(Signal::Failure, &policy(), now);
    }
}

fn probe(breaker: &Arc<Breaker>, now: Instant) -> ProbePermit {
    match breaker.admit(&policy(), now) {
        Admission::Probe(permit) => permit,
        other => panic!("expected a probe, got {other:?}"),
    }
}

fn moved(from: Phase, to: Phase) -> Transition {
    Transition { from, to }
}

#[test]
fn opens_at_failures_in_a_row_and_closes_with_a_probe() {
    let (breaker, now) = breaker();
    fail(&breaker, 4, now);
    assert!(matches!(breaker.admit(&policy(), now), Admission::Closed));
    let opened = breaker.record(Signal::Failure, &policy(), now);
    assert_eq!(opened, Some(moved(Phase::Closed, Phase::Open)));
    let BreakerStatus::Open { until } = breaker.status(&policy(), now) else {
        panic!("five failures in a row open it")
    };
    assert!(until >= now + 12 * SECOND && until <= now + 18 * SECOND);
    assert!(matches!(
        breaker.admit(&policy(), now),
        Admission::Refused { until: Some(at) } if at == until
    ));

    assert_eq!(breaker.status(&policy(), until), BreakerStatus::HalfOpen);
    let permit = probe(&breaker, until);
    assert!(matches!(breaker.admit(&policy(), until), Admission::Refused { until: None }));
    let closed = breaker.settle(Some(permit), Signal::Success, &policy(), until);
    assert_eq!(closed, Some(moved(Phase::HalfOpen, Phase::Closed)));
    // Nothing is left of it: it takes as many failures again.
    fail(&breaker, 4, until);
    assert_eq!(breaker.status(&policy(), until), BreakerStatus::Closed);
}

#[test]
fn a_success_between_failures_starts_the_row_anew() {
    let (breaker, now) = breaker();
    fail(&breaker, 4, now);
    breaker.record(Signal::Success, &policy(), now);
    fail(&breaker, 4, now);
    assert_eq!(breaker.status(&policy(), now), BreakerStatus::Closed);
}

#[test]
fn opens_at_the_share_of_failures() {
    let (breaker, now) = breaker();
    for _ in 0..5 {
        breaker.record(Signal::Success, &policy(), now);
        assert_eq!(breaker.status(&policy(), now), BreakerStatus::Closed);
        breaker.record(Signal::Failure, &policy(), now);
    }
    assert_eq!(breaker.status(&policy(), now).phase(), Phase::Open);
}

#[test]
fn the_share_forgets_what_is_older_than_the_window() {
    let (breaker, now) = breaker();
    for _ in 0..1000 {
        breaker.record(Signal::Success, &policy(), now);
    }
    for pair in 1..=4 {
        let now = now + 60 * SECOND + pair * SECOND;
        breaker.record(Signal::Failure, &policy(), now);
        breaker.record(Signal::Success, &policy(), now);
    }
    assert_eq!(breaker.status(&policy(), now), BreakerStatus::Closed);
    breaker.record(Signal::Success, &policy(), now + 70 * SECOND);
    breaker.record(Signal::Failure, &policy(), now + 70 * SECOND);
    assert_eq!(breaker.status(&policy(), now + 70 * SECOND).phase(), Phase::Open);
}

#[test]
fn a_failed_probe_rests_as_long_again() {
    let (breaker, mut now) = breaker();
    fail(&breaker, 5, now);
    for _ in 0..10 {
        now += RESTED;
        let failed = probe(&breaker, now).record(Signal::Failure, &policy(), now);
        assert_eq!(failed, Some(moved(Phase::HalfOpen, Phase::Open)));
        assert_eq!(breaker.status(&policy(), now + RESTED), BreakerStatus::HalfOpen);
    }
}

#[test]
fn a_failed_probe_keeps_it_open_where_the_window_is_shorter_than_the_rest() {
    let (breaker, now) = breaker();
    let policy = BreakerPolicy {
        failure_threshold: 0,
        monitoring_window: 5 * SECOND,
        min_requests: 2,
        ..policy()
    };
    breaker.record(Signal::Failure, &policy, now);
    breaker.record(Signal::Failure, &policy, now);
    let Admission::Probe(permit) = breaker.admit(&policy, now + RESTED) else {
        panic!("it has rested")
    };
    permit.record(Signal::Failure, &policy, now + RESTED);
    assert_eq!(breaker.status(&policy, now + RESTED).phase(), Phase::Open);
}

#[test]
fn a_permit_dropped_without_an_outcome_makes_room() {
    let (breaker, now) = breaker();
    fail(&breaker, 5, now);
    drop(probe(&breaker, now + RESTED));
    assert_eq!(breaker.status(&policy(), now + RESTED), BreakerStatus::HalfOpen);
    probe(&breaker, now + RESTED).record(Signal::Success, &policy(), now + RESTED);
    assert_eq!(breaker.status(&policy(), now + RESTED), BreakerStatus::Closed);
}

#[test]
fn requests_let_in_before_it_opened_change_nothing() {
    let (breaker, now) = breaker();
    fail(&breaker, 5, now);
    let before = breaker.status(&policy(), now);
    for signal in [Signal::Success, Signal::Failure] {
        assert_eq!(breaker.record(signal, &policy(), now + SECOND), None);
        assert_eq!(breaker.status(&policy(), now + SECOND), before);
    }
    // Nor while the probe is out.
    let permit = probe(&breaker, now + RESTED);
    assert_eq!(breaker.record(Signal::Success, &policy(), now + RESTED), None);
    assert!(matches!(breaker.admit(&policy(), now + RESTED), Admission::Refused { .. }));
    drop(permit);
}

#[test]
fn permanent_failures_double_their_rest_by_probes_only() {
    let (breaker, mut now) = breaker();
    let minute = 60 * SECOND;
    breaker.record(Signal::Permanent, &policy(), now);
    breaker.record(Signal::Permanent, &policy(), now + SECOND);
    for minutes in [5, 10, 20, 40, 80, 80] {
        let until = now + minutes * minute;
        assert_eq!(breaker.status(&policy(), now), BreakerStatus::Open { until });
        now = until;
        probe(&breaker, now).record(Signal::Permanent, &policy(), now);
    }
    now += 80 * minute;
    probe(&breaker, now).record(Signal::Success, &policy(), now);
    breaker.record(Signal::Permanent, &policy(), now);
    let until = now + 5 * minute;
    assert_eq!(breaker.status(&policy(), now), BreakerStatus::Open { until });
}

#[test]
fn a_permanent_failure_is_news_to_an_open_breaker() {
    let (breaker, now) = breaker();
    fail(&breaker, 5, now);
    breaker.record(Signal::Permanent, &policy(), now);
    let until = now + 300 * SECOND;
    assert_eq!(breaker.status(&policy(), now), BreakerStatus::Open { until });
}

#[test]
fn an_edited_threshold_acts_at_once() {
    let (breaker, now) = breaker();
    fail(&breaker, 5, now);
    let lenient = BreakerPolicy { failure_threshold: 6, ..policy() };
    assert_eq!(breaker.status(&lenient, now), BreakerStatus::Closed);
    assert_eq!(breaker.status(&policy(), now).phase(), Phase::Open);
    let off = BreakerPolicy { failure_threshold: 0, error_threshold_percentage: 0, ..policy() };
    fail(&breaker, 100, now);
    assert_eq!(breaker.status(&off, now), BreakerStatus::Closed);
    let short = BreakerPolicy { reset_timeout: Duration::ZERO, ..policy() };
    assert_eq!(breaker.status(&short, now), BreakerStatus::HalfOpen);
}

#[test]
fn a_reset_forgets_everything_and_an_old_permit_is_nobody() {
    let (breaker, now) = breaker();
    fail(&breaker, 5, now);
    let old = probe(&breaker, now + RESTED);
    breaker.reset();
    assert!(matches!(breaker.admit(&policy(), now), Admission::Closed));
    fail(&breaker, 5, now);
    let new = probe(&breaker, now + RESTED);
    assert_eq!(old.record(Signal::Success, &policy(), now + RESTED), None);
    assert!(matches!(breaker.admit(&policy(), now + RESTED), Admission::Refused { .. }));
    drop(new);
}

#[test]
fn one_probe_at_a_time_whoever_asks() {
    let (breaker, now) = breaker();
    fail(&breaker, 5, now);
    let admissions: Vec<_> = std::thread::scope(|scope| {
        let ask = || breaker.admit(&policy(), now + RESTED);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let probes = admissions.iter().filter(|admission| matches!(admission, Admission::Probe(_)));
    assert_eq!(probes.count(), 1);
}

#[test]
fn a_probe_that_hangs_keeps_others_out_for_a_while_only() {
    let ((breaker, now), policy) = (breaker(), policy());
    fail(&breaker, 5, now);
    let rested = now + 2 * policy.reset_timeout;
    let hanging = probe(&breaker, rested);
    let early = rested + Duration::from_secs(5);
    assert!(matches!(breaker.admit(&policy, early), Admission::Refused { until: None }));
    let late = rested + Duration::from_secs(25);
    let second = probe(&breaker, late);
    assert!(matches!(breaker.admit(&policy, late), Admission::Refused { until: None }));
    // Both are probes.
    let failed = second.record(Signal::Failure, &policy, late);
    assert_eq!(failed, Some(moved(Phase::HalfOpen, Phase::Open)));
    let answered = hanging.record(Signal::Success, &policy, late);
    assert_eq!(answered, Some(moved(Phase::Open, Phase::Closed)));

    fail(&breaker, 5, now);
    let hanging = probe(&breaker, rested);
    let second = probe(&breaker, late);
    let failed = hanging.record(Signal::Failure, &policy, late);
    assert_eq!(failed, Some(moved(Phase::HalfOpen, Phase::Open)));
    // It began before that, so that its failure is none of a time after it.
    let later = late + 2 * policy.reset_timeout;
    let third = probe(&breaker, later);
    assert_eq!(second.record(Signal::Failure, &policy, later), None);
    let answered = third.record(Signal::Success, &policy, later);
    assert_eq!(answered, Some(moved(Phase::HalfOpen, Phase::Closed)));
}

#[test]
fn it_tells_since_when_and_how_often() {
    let (breaker, now) = breaker();
    assert_eq!(breaker.account(&policy(), now).since, None);
    fail(&breaker, 4, now);
    let account = breaker.account(&policy(), now);
    assert_eq!((account.status, account.consecutive_failures), (BreakerStatus::Closed, 4));
    fail(&breaker, 1, now + SECOND);
    let opened = now + SECOND;
    let probed = opened + RESTED;
    probe(&breaker, probed).record(Signal::Failure, &policy(), probed);
    let account = breaker.account(&policy(), probed);
    assert_eq!((account.status.phase(), account.opened), (Phase::Open, 1));
    assert_eq!(account.since, Some(opened), "a probe that fails does not begin it anew");
    assert_eq!((account.window_failures, account.window_requests), (5, 5));
    let back = probed + RESTED;
    assert_eq!(breaker.account(&policy(), back).since, Some(opened));
    probe(&breaker, back).record(Signal::Success, &policy(), back);
    let account = breaker.account(&policy(), back + SECOND);
    assert_eq!((account.since, account.opened), (Some(back), 1));
    assert_eq!((account.consecutive_failures, account.window_requests), (0, 0));
    fail(&breaker, 5, back + SECOND);
    assert_eq!(breaker.account(&policy(), back + SECOND).opened, 2);
    // A policy under which it never opened knows by the failures since when it is against it.
    let strict = BreakerPolicy { failure_threshold: 1, ..policy() };
    breaker.reset();
    fail(&breaker, 1, back + 2 * SECOND);
    assert_eq!(breaker.account(&strict, back + 3 * SECOND).since, Some(back + 2 * SECOND));
}

#[test]
fn a_sign_of_life_ends_a_rest_once_for_each_time_it_opens() {
    let (breaker, now) = breaker();
    fail(&breaker, 4, now);
    breaker.end_rest(&policy(), now);
    fail(&breaker, 1, now);
    assert_eq!(breaker.status(&policy(), now).phase(), Phase::Open, "it came before the rest");
    for _ in 0..2 {
        breaker.end_rest(&policy(), now);
        assert_eq!(breaker.status(&policy(), now), BreakerStatus::HalfOpen);
        probe(&breaker, now).record(Signal::Failure, &policy(), now);
        breaker.end_rest(&policy(), now);
        assert_eq!(breaker.status(&policy(), now).phase(), Phase::Open, "the sign was wrong");
        let rested = now + RESTED;
        probe(&breaker, rested).record(Signal::Success, &policy(), rested);
        fail(&breaker, 5, now);
    }
}

#[test]
fn a_sign_of_life_does_not_end_the_rest_after_a_permanent_failure() {
    let (breaker, now) = breaker();
    breaker.record(Signal::Permanent, &policy(), now);
    breaker.end_rest(&policy(), now);
    assert_eq!(breaker.status(&policy(), now).phase(), Phase::Open);
}
