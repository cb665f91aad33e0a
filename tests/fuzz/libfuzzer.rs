//! The targets of `suite` under libFuzzer, all in one program: one link, and one set of seeds.
//!
//! ```text
//! FUZZ_TARGET   the target; without it their names are printed
//! FUZZ_SEEDS    a folder that its seeds are written to before libFuzzer reads them; their names are
//!               in `list` there, in an order that is always the same, for -seed_inputs=@...
//! ```
//!
//! Everything else is said with libFuzzer's own flags; `.ci/fuzz` gives them.

#![no_main]

#[path = "suite.rs"]
mod suite;

use std::ffi::OsStr;
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

/// In place of the system's, where hash maps take their keys from: two runs are to reach the same
/// branches with the same inputs. The standard library looks for this symbol so that it can be
/// replaced.
#[unsafe(no_mangle)]
extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: whoever asks for random bytes owns so many.
    unsafe { buffer.write_bytes(7, length) };
    isize::try_from(length).expect("no buffer is longer")
}

/// Runs before libFuzzer looks at its flags and folders.
fn prepare() {
    fastrand::seed(7);
    let target = &*TARGET;
    let Some(folder) = env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    fs::create_dir_all(&folder).expect("a folder for seeds");
    let mut names = Vec::new();
    for (number, seed) in target.seeds().iter().enumerate() {
        let path = folder.join(format!("{number:04}"));
        fs::write(&path, seed).expect("room for seeds");
        names.push(path.into_os_string());
    }
    fs::write(folder.join("list"), names.join(OsStr::new(",")).as_encoded_bytes())
        .expect("room for a list");
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
