//! The breaker against a model that keeps every outcome and recounts them each time.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Default)]
struct Model {
    now: Duration,
    /// Second and whether it failed, of every outcome that counts for the share.
    outcomes: Vec<(u64, bool)>,
    /// The first such outcome: whole seconds are counted from there.
    first: Option<Duration>,
    consecutive: u32,
    /// When it last failed, and how many thousandths its rest is longer.
    failed: Option<(Duration, i32)>,
    permanent: Vec<Duration>,
    /// The last probe that is out, and when it began.
    probe: Option<(usize, Duration)>,
    /// All probes since everything was forgotten.
    probes: Vec<(usize, Duration)>,
    /// The rest after `failed` was ended, and whether that was done once already.
    rest_ended: bool,
    hastened: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Closed,
    Open(Duration),
    HalfOpen,
}

impl Verdict {
    fn phase(self) -> Phase {
        match self {
            Self::Closed => Phase::Closed,
            Self::Open(_) => Phase::Open,
            Self::HalfOpen => Phase::HalfOpen,
        }
    }
}

impl Model {
    fn is_tripped(&self, policy: &BreakerPolicy) -> bool {
        let judged = self.outcomes.iter().rposition(|(_, failed)| *failed).map_or(0, |at| at + 1);
        let newest = self.outcomes.last().map_or(0, |(second, _)| *second);
        let end = self.outcomes[..judged].last().map_or(0, |(second, _)| *second);
        let window: Vec<bool> = self.outcomes[..judged]
            .iter()
            .filter(|(second, _)| second + policy.monitoring_window.as_secs() > end)
            .filter(|(second, _)| second + 600 > newest)
            .map(|(_, failed)| *failed)
            .collect();
        let failed = window.iter().filter(|failed| **failed).count();
        let (percentage, least) = (policy.error_threshold_percentage, policy.min_requests.max(1));
        let share = percentage > 0
            && window.len() >= least as usize
            && failed * 100 >= window.len() * percentage as usize
            && failed > 0;
        let row = policy.failure_threshold > 0 && self.consecutive >= policy.failure_threshold;
        row || share || !self.permanent.is_empty() && !policy.permanent_base_timeout.is_zero()
    }

    fn verdict(&self, policy: &BreakerPolicy) -> Verdict {
        if !self.is_tripped(policy) {
            return Verdict::Closed;
        }
        let thousandths = |jitter: i32| u32::try_from(1000 + jitter).expect("within 20 %");
        let failed = self.failed.filter(|_| !self.rest_ended);
        let mut until = failed.map_or(Duration::ZERO, |(at, jitter)| {
            at + policy.reset_timeout * thousandths(jitter) / 1000
        });
        if let Some(at) = self.permanent.last()
            && !policy.permanent_base_timeout.is_zero()
        {
            let mut factor = 1;
            for _ in 1..self.permanent.len() {
                factor = (factor * 2).min(policy.permanent_max_multiplier);
            }
            until = until.max(*at + policy.permanent_base_timeout * factor);
        }
        if until > self.now { Verdict::Open(until) } else { Verdict::HalfOpen }
    }

    /// Whether a probe keeps others out.
    fn is_probing(&self) -> bool {
        self.probe.is_some_and(|(_, begun)| self.now.saturating_sub(begun) < 25 * SECOND)
    }

    fn count(&mut self, failed: bool) {
        let first = *self.first.get_or_insert(self.now);
        self.outcomes.push((self.now.saturating_sub(first).as_secs(), failed));
    }

    fn record(&mut self, by: Option<usize>, signal: Signal, policy: &BreakerPolicy, jitter: i32) {
        let newest = by.is_some() && self.probe.map(|(probe, _)| probe) == by;
        if newest {
            self.probe = None;
        }
        let known = self.probes.iter().find(|(probe, _)| Some(*probe) == by);
        let failed = self.failed.map(|(at, _)| at).max(self.permanent.last().copied());
        let is_news = |begun| signal == Signal::Success || failed.is_none_or(|last| last < begun);
        let probing = newest || known.is_some_and(|(_, begun)| is_news(*begun));
        let permanent = signal == Signal::Permanent && !policy.permanent_base_timeout.is_zero();
        if probing && signal == Signal::Success {
            *self = Self { now: self.now, ..Self::default() };
        } else if permanent {
            if probing || self.permanent.is_empty() {
                self.permanent.push(self.now);
            }
        } else if probing {
            self.consecutive += 1;
            self.failed = Some((self.now, jitter));
            self.rest_ended = false;
        } else if self.is_tripped(policy) {
        } else if signal == Signal::Success {
            self.consecutive = 0;
            self.count(false);
        } else {
            self.consecutive += 1;
            self.failed = Some((self.now, jitter));
            self.rest_ended = false;
            self.count(true);
        }
    }
}

fn policies() -> [BreakerPolicy; 4] {
    let base = BreakerPolicy {
        permanent_base_timeout: 20 * SECOND,
        permanent_max_multiplier: 4,
        reset_timeout: 15 * SECOND,
        ..BreakerPolicy::built_in()
    };
    [
        BreakerPolicy { failure_threshold: 3, error_threshold_percentage: 0, ..base.clone() },
        BreakerPolicy {
            failure_threshold: 0,
            min_requests: 4,
            monitoring_window: 10 * SECOND,
            reset_timeout: 40 * SECOND,
            ..base.clone()
        },
        BreakerPolicy {
            failure_threshold: 8,
            error_threshold_percentage: 30,
            min_requests: 0,
            monitoring_window: 600 * SECOND,
            reset_timeout: SECOND,
            ..base.clone()
        },
        BreakerPolicy {
            failure_threshold: 6,
            error_threshold_percentage: 90,
            min_requests: 6,
            permanent_base_timeout: Duration::ZERO,
            ..base
        },
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Admit(usize),
    Record(usize, Signal),
    Settle(prop::sample::Index, usize, Signal),
    Drop(prop::sample::Index),
    Advance(u64),
    EndRest(usize),
    Reset,
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    let signal = || {
        prop_oneof![
            6 => Just(Signal::Success),
            6 => Just(Signal::Failure),
            1 => Just(Signal::Permanent),
        ]
    };
    let step = prop_oneof![
        6 => (0usize..4).prop_map(Step::Admit),
        12 => (0usize..4, signal()).prop_map(|(policy, signal)| Step::Record(policy, signal)),
        5 => (any::<prop::sample::Index>(), 0usize..4, signal())
            .prop_map(|(permit, policy, signal)| Step::Settle(permit, policy, signal)),
        1 => any::<prop::sample::Index>().prop_map(Step::Drop),
        4 => (0u64..4_000).prop_map(Step::Advance),
        3 => (0u64..60_000).prop_map(Step::Advance),
        1 => (0u64..900_000).prop_map(Step::Advance),
        2 => (0usize..4).prop_map(Step::EndRest),
        1 => Just(Step::Reset),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn does_what_the_model_does(steps in steps()) {
        let (breaker, start) = breaker();
        let (mut model, policies) = (Model::default(), policies());
        let mut permits: Vec<(usize, ProbePermit)> = Vec::new();
        let mut begun = 0;
        for step in steps {
            let now = start + model.now;
            let told = match step {
                Step::Advance(millis) => {
                    model.now += Duration::from_millis(millis);
                    None
                }
                Step::EndRest(at) => {
                    breaker.end_rest(&policies[at], now);
                    let rests = model.verdict(&policies[at]).phase() == Phase::Open;
                    if rests && !std::mem::replace(&mut model.hastened, true) {
                        model.rest_ended = true;
                    }
                    None
                }
                Step::Reset => {
                    breaker.reset();
                    model = Model { now: model.now, ..Model::default() };
                    None
                }
                Step::Admit(at) => {
                    match (breaker.admit(&policies[at], now), model.verdict(&policies[at])) {
                        (Admission::Closed, Verdict::Closed) => {}
                        (Admission::Refused { until: None }, Verdict::HalfOpen) => {
                            prop_assert!(model.is_probing(), "nobody is probing");
                        }
                        (Admission::Refused { until: Some(until) }, Verdict::Open(expected)) => {
                            prop_assert_eq!(until, start + expected);
                        }
                        (Admission::Probe(permit), Verdict::HalfOpen) => {
                            prop_assert!(!model.is_probing(), "two probes at once");
                            begun += 1;
                            model.probe = Some((begun, model.now));
                            model.probes.push((begun, model.now));
                            permits.push((begun, permit));
                        }
                        (got, expected) => prop_assert!(false, "{got:?} for {expected:?}"),
                    }
                    None
                }
                Step::Drop(permit) if !permits.is_empty() => {
                    let (id, permit) = permits.swap_remove(permit.index(permits.len()));
                    drop(permit);
                    model.probe = model.probe.filter(|(probe, _)| *probe != id);
                    None
                }
                Step::Settle(permit, policy, signal) if !permits.is_empty() => {
                    let (id, permit) = permits.swap_remove(permit.index(permits.len()));
                    let policy = &policies[policy];
                    let told = permit.record(signal, policy, now);
                    Some((told, Some(id), signal, policy))
                }
                Step::Record(policy, signal) => {
                    let policy = &policies[policy];
                    Some((breaker.record(signal, policy, now), None, signal, policy))
                }
                Step::Drop(_) | Step::Settle(..) => None,
            };
            if let Some((told, by, signal, policy)) = told {
                let from = model.verdict(policy).phase();
                let jitter = breaker.memory.lock().last_failure.map_or(0, |last| last.jitter);
                prop_assert!((-200..=200).contains(&jitter));
                model.record(by, signal, policy, jitter);
                let to = model.verdict(policy).phase();
                prop_assert_eq!(told, (from != to).then_some(Transition { from, to }));
            }
            for policy in &policies {
                let expected = match model.verdict(policy) {
                    Verdict::Closed => BreakerStatus::Closed,
                    Verdict::HalfOpen => BreakerStatus::HalfOpen,
                    Verdict::Open(until) => BreakerStatus::Open { until: start + until },
                };
                prop_assert_eq!(breaker.status(policy, start + model.now), expected);
            }
        }
    }
}
