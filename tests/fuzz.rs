//! The targets of the fuzzer, without the fuzzer: each on its seeds and on some changes of them, the
//! same in every run. `make fuzz` gives the same targets to libFuzzer, which looks for more.

#![allow(missing_docs, reason = "a test explains itself")]

#[path = "fuzz/found.rs"]
mod found;
#[path = "fuzz/suite.rs"]
mod suite;

use std::collections::BTreeSet;
use std::env;
use std::panic::catch_unwind;

use suite::{Random, Target};

/// Changes of each target's seeds: some seconds without optimisation, all targets together.
/// `FUZZ_CHANGES=100000` tries more.
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
    let changes = env::var("FUZZ_CHANGES").ok().and_then(|count| count.parse().ok());
    let failed: Vec<String> =
        suite::all().iter().flat_map(|target| run(target, changes.unwrap_or(CHANGES))).collect();
    assert!(failed.is_empty(), "what was said above does not hold for\n{}", failed.join("\n"));
}

/// The inputs of a target for which something does not hold.
fn run(target: &Target, changes: usize) -> Vec<String> {
    let seeds = target.seeds();
    let changed = (0..changes).map(|change| changed(&seeds, change));
    let inputs = seeds.iter().cloned().chain([Vec::new()]).chain(changed);
    let failing = inputs.filter(|input| catch_unwind(|| target.run(input)).is_err());
    // The first few are enough to begin with.
    failing.take(3).map(|input| format!("{target:?}: {}", input.escape_ascii())).collect()
}

fn changed(seeds: &[Vec<u8>], change: usize) -> Vec<u8> {
    let mut random = Random::new(u64::try_from(change).expect("a small number"));
    let seed = &seeds[random.below(seeds.len())];
    suite::mutated(seed, &mut random).unwrap_or_else(|| {
        let mut input = seed.clone();
        let at = random.below(input.len());
        input[at] = u8::try_from(random.below(256)).expect("a byte");
        input.truncate(1 + random.below(2 * input.len()));
        input
    })
}
