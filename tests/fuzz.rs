//! The targets of the fuzzer, without the fuzzer: each on its seeds and on some changes of them, the
//! same in every run. `make fuzz` gives the same targets to libFuzzer, which looks for more.

#![allow(missing_docs, reason = "a test explains itself")]

#[path = "fuzz/suite.rs"]
mod suite;

use std::collections::BTreeSet;

use suite::{Random, Target};

/// Changes of each target's seeds: some seconds without optimisation, all targets together.
const CHANGES: usize = 300;

#[test]
fn every_target_has_seeds_and_a_name_of_its_own() {
    let targets = suite::all();
    let names: BTreeSet<&str> = targets.iter().map(|target| &*target.name).collect();
    assert_eq!(names.len(), targets.len());
    for target in &targets {
        assert!(!target.seeds().is_empty(), "{target:?} has no seeds");
    }
}

#[test]
fn what_must_hold_holds_for_seeds_and_their_changes() {
    for target in suite::all() {
        let seeds = target.seeds();
        seeds.iter().for_each(|seed| target.run(seed));
        for change in 0..CHANGES {
            target.run(&changed(&target, &seeds, change));
        }
        target.run(&[]);
    }
}

fn changed(target: &Target, seeds: &[Vec<u8>], change: usize) -> Vec<u8> {
    let mut random = Random::new(u64::try_from(change).expect("a small number"));
    let seed = &seeds[random.below(seeds.len())];
    let input = suite::mutated(seed, &mut random).unwrap_or_else(|| {
        let mut input = seed.clone();
        let at = random.below(input.len());
        input[at] = u8::try_from(random.below(256)).expect("a byte");
        input.truncate(1 + random.below(2 * input.len()));
        input
    });
    // A test that fails shows the target and which change it was.
    println!("{target:?} {change}");
    input
}
