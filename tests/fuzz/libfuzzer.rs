//! The targets of `suite` under libFuzzer, all in one program: one link, and one set of seeds.
//!
//! ```text
//! FUZZ_TARGET   the target; without it their names are printed
//! FUZZ_SEEDS    a folder that its seeds are written to before libFuzzer reads it
//! ```
//!
//! Everything else is said with libFuzzer's own flags; `.ci/fuzz` gives them.

#![no_main]

#[path = "suite.rs"]
mod suite;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs, process};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

use suite::{Random, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let targets = suite::all();
    let Ok(wanted) = env::var("FUZZ_TARGET") else {
        for target in targets {
            println!("{}", target.name);
        }
        process::exit(0);
    };
    let found = targets.into_iter().find(|target| target.name == wanted);
    found.unwrap_or_else(|| panic!("no target is called `{wanted}`"))
});

/// Runs before libFuzzer looks at its flags and folders.
fn prepare() {
    let target = &*TARGET;
    let Some(folder) = env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    fs::create_dir_all(&folder).expect("a folder for seeds");
    for (number, seed) in target.seeds().iter().enumerate() {
        fs::write(folder.join(format!("{number:04}")), seed).expect("room for seeds");
    }
}

fuzz_target!(
    init: prepare(),
    |data: &[u8]| {
        TARGET.run(data);
    }
);

// Half of the time bytes change, half of the time the JSON or the events that they are.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(u64::from(seed));
    if random.below(2) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    match suite::mutated(&data[..size], &mut random) {
        Some(new) if !new.is_empty() && new.len() <= max_size => {
            data[..new.len()].copy_from_slice(&new);
            new.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});
