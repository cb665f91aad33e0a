//! The order in which targets are tried, against a model of it that fits a screen.

use proptest::prelude::*;
use proptest::sample::select;

use pilothouse::simulate::Simulator;

use crate::routes::{Api, fault, route_of, simulator};
use crate::support::Rig;

const NAMES: [&str; 4] = ["alpha", "bravo", "charlie", "delta"];
/// Failures in a row after which a target is left alone; its rest is longer than any test.
const THRESHOLD: u32 = 4;

/// What a target does with every request that it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Answers,
    /// What may be better the next time.
    Fails(&'static str),
    /// What it may fail in only once before the rest of the test passes it over.
    LeavesUs(&'static str),
    /// What every target would object to.
    Objects,
}

impl Does {
    fn fault(self) -> &'static str {
        match self {
            Self::Answers => "",
            Self::Fails(fault) | Self::LeavesUs(fault) => fault,
            Self::Objects => "status=400;message=odd",
        }
    }
}

fn does() -> impl Strategy<Value = Does> {
    // None that breaks the connection: the next request may meet one that went stale, and is sent
    // once more on another.
    const FAILS: [&str; 4] = ["status=500", "status=503", "status=408", "body=html"];
    const LEAVES: [&str; 2] = ["status=429;retry-after=600", "status=404;code=model_not_found"];
    prop_oneof![
        4 => Just(Does::Answers),
        5 => select(&FAILS[..]).prop_map(Does::Fails),
        1 => select(&LEAVES[..]).prop_map(Does::LeavesUs),
        1 => Just(Does::Objects),
    ]
}

/// What is known of one target.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    failures: u32,
    gone: bool,
}

/// Who answered.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    By(usize),
    Objection(usize),
    Nobody,
}

/// The reference: each target in turn, as often as it may be tried, until one answers.
fn reference(known: &mut [Known], does: &[Does], per_target: u32) -> (Outcome, Vec<u32>) {
    let mut tries = vec![0; does.len()];
    for (at, what) in does.iter().enumerate() {
        while !known[at].gone && tries[at] < per_target {
            tries[at] += 1;
            match what {
                Does::Answers => {
                    known[at].failures = 0;
                    return (Outcome::By(at), tries);
                }
                Does::Objects => return (Outcome::Objection(at), tries),
                Does::LeavesUs(_) => known[at].gone = true,
                Does::Fails(_) => {
                    known[at].failures += 1;
                    known[at].gone = known[at].failures >= THRESHOLD;
                }
            }
        }
    }
    (Outcome::Nobody, tries)
}

async fn hold(sequence: &[Vec<Does>], per_target: u32, stream: bool) {
    let count = sequence[0].len();
    let names = &NAMES[..count];
    let simulators: Vec<Simulator> =
        futures::future::join_all(names.iter().map(|name| simulator(name))).await;
    let targets: Vec<String> = names
        .iter()
        .zip(&simulators)
        .enumerate()
        .map(|(at, (name, simulator))| {
            let rest = format!("model: {name}-model, priority: {at}");
            Api::Chat.target(name, &simulator.url(), &rest)
        })
        .collect();
    let extra = format!(
        "  retry: {{perTarget: {per_target}, backoff: {{base: 1ms, max: 1ms}}}}\n  \
         circuitBreaker: {{failureThreshold: {THRESHOLD}, errorThresholdPercentage: 100, \
         minRequests: 100000, resetTimeout: 1h}}\n"
    );
    let rig = Rig::start(&route_of("chat", &targets, &extra)).await;
    let mut known = vec![Known::default(); count];
    for (round, does) in sequence.iter().enumerate() {
        for (simulator, what) in simulators.iter().zip(does) {
            simulator.set_fault(fault(what.fault()));
        }
        let before: Vec<u64> = simulators.iter().map(Simulator::count).collect();
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        let (expected, tries) = reference(&mut known, does, per_target);
        let what = format!("round {round}: {does:?}, of which {expected:?}: {answer:?}");
        let made = simulators.iter().zip(&before).map(|(one, before)| one.count() - before);
        let made: Vec<u64> = made.collect();
        let wanted: Vec<u64> = tries.iter().map(|tries| u64::from(*tries)).collect();
        assert_eq!(made, wanted, "tries in {what}");
        match expected {
            Outcome::By(at) => {
                assert_eq!((answer.status.as_u16(), answer.target()), (200, names[at]), "{what}");
                let text = if stream {
                    answer.streamed_text()
                } else {
                    answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
                };
                assert_eq!(text, crate::rows::whole(names[at]), "{what}");
            }
            Outcome::Objection(at) => {
                assert_eq!((answer.status.as_u16(), answer.target()), (400, names[at]), "{what}");
            }
            Outcome::Nobody => {
                assert!([429, 502, 503].contains(&answer.status.as_u16()), "{what}");
            }
        }
        let all: u32 = tries.iter().sum();
        let told = answer.header("x-pilothouse-attempts");
        assert_eq!(told, if all == 0 { String::new() } else { all.to_string() }, "{what}");
    }
    rig.settled().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn targets_are_tried_in_their_order_and_as_often_as_they_may(
        sequence in (1..=NAMES.len()).prop_flat_map(|count| {
            proptest::collection::vec(proptest::collection::vec(does(), count), 1..6)
        }),
        per_target in 1_u32..4,
        stream: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(hold(&sequence, per_target, stream));
    }
}
