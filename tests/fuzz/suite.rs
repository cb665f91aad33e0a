//! What is fuzzed: one target for each decoder, each with what must hold for any input.
//!
//! The targets do not know who drives them. `tests/fuzz.rs` gives each its seeds and some thousand
//! changes of them wherever tests run; `libfuzzer.rs` gives it to libFuzzer, which looks for inputs
//! that reach new code (`make fuzz`).
//!
//! An input of most targets begins with two bytes that choose (where a stream is cut, for whom a
//! request is written); the rest is what is decoded, as it would come off the wire. Seeds are made of
//! the golden vectors when they are wanted, so a new vector or protocol is a new seed by itself.

mod counting;
mod embeddings;
mod errors;
mod frames;
mod heads;
mod manifests;
mod mutate;
mod objects;
mod replies;
mod requests;
mod seeds;
mod streams;
mod texts;
mod told;

#[path = "../vectors/dialect.rs"]
mod dialect;

use std::fmt;
use std::panic::RefUnwindSafe;

use pilothouse::protocol::dialect::{ClientView, DialectId};
use pilothouse::protocol::registry::{OPERATIONS, Operation};

pub use mutate::{Random, mutated};

type Run = dyn Fn(&[u8]) + Send + Sync + RefUnwindSafe;
type Seeds = dyn Fn() -> Vec<Vec<u8>> + Send + Sync + RefUnwindSafe;

/// One decoder, and what must hold for any input.
pub struct Target {
    /// The name in `make fuzz TARGET=...`.
    pub name: String,
    run: Box<Run>,
    seeds: Box<Seeds>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Target {
    fn new(
        name: impl Into<String>,
        run: impl Fn(&[u8]) + Send + Sync + RefUnwindSafe + 'static,
        seeds: impl Fn() -> Vec<Vec<u8>> + Send + Sync + RefUnwindSafe + 'static,
    ) -> Self {
        Self { name: name.into(), run: Box::new(run), seeds: Box::new(seeds) }
    }

    /// Decodes an input. Panics if something does not hold.
    pub fn run(&self, input: &[u8]) {
        (self.run)(input);
    }

    /// Inputs to begin with.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        (self.seeds)()
    }
}

/// Every target. Those of protocols follow the registry: a new protocol has its targets at once.
pub fn all() -> Vec<Target> {
    let mut targets = Vec::new();
    for id in dialects() {
        let name = dialect::name(id);
        targets.push(Target::new(
            format!("request-{name}"),
            move |input| requests::run(id, input),
            move || seeds::requests(id),
        ));
        targets.push(Target::new(
            format!("reply-{name}"),
            move |input| replies::run(id, input),
            move || seeds::replies(id),
        ));
        targets.push(Target::new(
            format!("stream-{name}"),
            move |input| streams::run(id, input),
            move || seeds::streams(id),
        ));
    }
    targets.push(Target::new("counting", counting::run, seeds::counts));
    targets.push(Target::new("embeddings", embeddings::run, seeds::embeddings));
    targets.push(Target::new("error", errors::run, seeds::errors));
    targets.push(Target::new("event-stream", frames::event_stream, seeds::event_streams));
    targets.push(Target::new("http", heads::run, seeds::heads));
    targets.push(Target::new("json", objects::run, seeds::objects));
    targets.push(Target::new("manifest", manifests::run, seeds::manifests));
    targets.push(Target::new("sse", frames::sse, seeds::sse));
    targets.push(Target::new("text", texts::run, seeds::texts));
    targets
}

/// Every dialect that an operation has.
fn dialects() -> Vec<DialectId> {
    let mut dialects: Vec<_> = OPERATIONS.iter().filter_map(|row| row.dialect).collect();
    dialects.sort_unstable();
    dialects.dedup();
    dialects
}

/// The operation that is read and written so.
fn operation(id: DialectId) -> &'static Operation {
    OPERATIONS.iter().find(|row| row.dialect == Some(id)).expect("every dialect has an operation")
}

/// Whom answers are written for.
const CLIENT: ClientView<'static> = ClientView {
    model: "asked-for",
    request_id: "req-1",
    created: 1_800_000_000,
    include_usage: true,
    stand_ins: &[],
};

/// The two bytes that choose, and the rest.
fn choices(input: &[u8]) -> ([u8; 2], &[u8]) {
    match input {
        [first, second, rest @ ..] => ([*first, *second], rest),
        _ => ([0, 0], &[]),
    }
}

/// One of several, and what is left of the byte that chooses.
fn one_of<T: Copy>(several: &[T], choice: u8) -> (T, u8) {
    let count = u8::try_from(several.len()).expect("a few");
    (several[usize::from(choice % count)], choice / count)
}

/// What an input shows in the message of a failure.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
