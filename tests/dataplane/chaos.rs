//! Providers that fail at random under many callers, while routes and keys change: every answer is whole, or
//! an honest error, and with one provider well nearly every one is an answer.
//!
//! A few seconds of it are a test like any other; `make chaos` goes on for `CHAOS_TIME` seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pilothouse::simulate::Simulator;
use serde_json::Value;

use crate::answer::Answer;
use crate::pairs::CLIENTS;
use crate::pairs::cases::HELLO;
use crate::pairs::client::{Client, Event, events};
use crate::routes::{Api, fault, route_of};
use crate::rows::whole;
use crate::support::{Options, Rig};

/// Seconds, if nothing else is said: enough for some thousand requests.
const SHORT: u64 = 4;
const CALLERS: usize = 100;
/// Providers that fail, beside the one that does not.
const SICK: usize = 4;
/// Keys of the one pool that all of them are asked with.
const KEYS: usize = 3;

/// What providers do, each for a moment. The numbers of events lie before, in and after the text.
const DO: [&str; 30] = [
    "",
    "",
    "pace=2ms",
    "status=500",
    "status=502",
    "status=503",
    "status=529",
    "status=429",
    "status=429;retry-after-ms=50",
    "status=429;retry-after=60;times=1",
    "reset",
    "close",
    "silent",
    "delay=300ms",
    "first=2s",
    "first=300ms",
    "body=html",
    "body=empty",
    "cut=0",
    "cut=1:reset",
    "cut=12",
    "cut=20:end",
    "cut=25:reset",
    "stall=1",
    "stall=18",
    "error=0",
    "error=15",
    "garbage=9",
    "no-end",
    "drip=7",
];

/// What they do with an answer that another one began. None begins it anew: where a stream broke after a
/// word or two that the next server was to go on with, nobody can tell that from going on. Longer
/// beginnings are tried with each API in `resume`.
const GO_ON: [&str; 4] = ["", "goes-on=courtesy", "goes-on=refuse", "goes-on=repeat"];

struct World {
    well: Simulator,
    sick: Vec<Simulator>,
}

impl World {
    async fn start() -> Self {
        let start = || async { Simulator::builder().name("sim").start().await.unwrap() };
        let well = start().await;
        let sick = futures::future::join_all((0..SICK).map(|_| start())).await;
        Self { well, sick }
    }

    /// Whatever comes to mind, of the one provider or the other.
    fn change(&self) {
        let sick = &self.sick[fastrand::usize(..SICK)];
        let (does, goes_on) =
            (DO[fastrand::usize(..DO.len())], GO_ON[fastrand::usize(..GO_ON.len())]);
        sick.set_fault(fault(&format!("{does};{goes_on}")));
    }

    /// The routes in one of many forms. The provider that is well is always there, and asked sooner
    /// or later.
    fn routes(&self, number: usize) -> String {
        let api =
            |at: usize| if (at + number).is_multiple_of(3) { Api::Messages } else { Api::Chat };
        let mut targets = vec![api(0).target(
            "well",
            &self.well.url(),
            &format!(
                "model: well-model, priority: {}, weight: {}, credentialRef: {{name: turning}}",
                number % 3,
                1 + number % 5
            ),
        )];
        for (at, sick) in self.sick.iter().enumerate() {
            let rest = format!(
                "model: sick-{at}, priority: {}, credentialRef: {{name: turning}}",
                (number + at) % 3
            );
            targets.push(api(at).target(&format!("sick-{at}"), &sick.url(), &rest));
        }
        targets.rotate_left(number % (SICK + 1));
        let strategy =
            ["Weighted", "RoundRobin", "LeastConnections", "FastestResponse"][number % 4];
        let hedging = if number.is_multiple_of(5) { "  hedging: {delay: 200ms}\n" } else { "" };
        let extra = format!(
            "  loadBalancing: {{strategy: {strategy}}}\n{hedging}  timeouts: {{firstToken: 400ms, \
             response: 800ms, idle: 500ms, request: 20s}}\n  circuitBreaker: {{resetTimeout: \
             200ms}}\n"
        );
        [keys(number), route_of("chat", &targets, &extra)].concat()
    }
}

/// A pool of keys of which one is replaced each time.
fn keys(number: usize) -> String {
    use std::fmt::Write;

    let mut text = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: turning, namespace: ns}\n\
                    stringData:\n"
        .to_owned();
    let mut pool = String::new();
    for key in 0..KEYS {
        let version = (number + key) / KEYS;
        writeln!(text, "  k{key}: turning-key-{key:04}-version-{version:06}").unwrap();
        writeln!(
            pool,
            "    - {{name: k{key}, valueFrom: {{secretKeyRef: {{name: turning, key: k{key}}}}}}}"
        )
        .unwrap();
    }
    write!(
        text,
        "---\napiVersion: pilothouse.dev/v1alpha1\nkind: CredentialStore\n\
         metadata: {{name: turning, namespace: ns}}\nspec:\n  type: APIKey\n  apiKey:\n    \
         selection: RoundRobin\n    keys:\n{pool}"
    )
    .unwrap();
    text
}

/// What became of the requests so far.
#[derive(Default)]
struct Tally {
    answers: AtomicU64,
    /// Streams that ended with an error in them, and requests that were answered with one.
    errors: AtomicU64,
    seen: parking_lot::Mutex<Vec<String>>,
}

impl Tally {
    fn count(&self, answered: Result<(), String>) {
        match answered {
            Ok(()) => {
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
            Err(told) => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                self.seen.lock().push(told);
            }
        }
    }
}

fn is_error(event: &Event) -> bool {
    event.name == "error"
        || event.name.ends_with("Exception")
        || event.data["type"] == "error"
        || event.data["error"].is_object()
}

/// The whole answer, or an honest error, which is told; everything else is a bug.
fn judge(client: &dyn Client, answer: &Answer, stream: bool) -> Result<(), String> {
    if answer.status != 200 {
        assert!([429, 502, 503, 504].contains(&answer.status.as_u16()), "{answer:?}");
        return Err(format!("{}: {}", answer.status, client.error(answer)));
    }
    assert!(!answer.cut, "{answer:?}");
    let value: Value = if stream {
        let events = events(answer);
        if events.last().is_some_and(is_error) {
            let (so_far, message) = client.broken(&events);
            assert!(whole("sim").starts_with(&so_far), "{so_far}");
            return Err(message);
        }
        client.assemble(&events)
    } else {
        answer.json()
    };
    assert_eq!(client.read(&value).text, whole("sim"), "{answer:?}");
    Ok(())
}

async fn caller(rig: Arc<Rig>, number: usize, tally: Arc<Tally>, over: Arc<AtomicBool>) {
    let mut request = number;
    while !over.load(Ordering::Relaxed) {
        let client = CLIENTS[request % CLIENTS.len()];
        let stream = !request.is_multiple_of(4);
        request += 7;
        let body = client.body(&HELLO.streamed(stream), "chat").to_string();
        let answer = rig.post(&client.path("chat", stream), body).await;
        tally.count(judge(client, &answer, stream));
    }
}

fn time() -> Duration {
    let told = std::env::var("CHAOS_TIME").ok().map(|time| time.parse().expect("CHAOS_TIME in s"));
    Duration::from_secs(told.unwrap_or(SHORT))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn providers_that_fail_at_random_spoil_no_answer() {
    let world = World::start().await;
    let rig = Arc::new(Rig::start_with(&world.routes(0), Options::default()).await);
    let (tally, over) = (Arc::<Tally>::default(), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            tokio::spawn(caller(Arc::clone(&rig), number, Arc::clone(&tally), Arc::clone(&over)))
        })
        .collect();
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < time() && !callers.iter().any(tokio::task::JoinHandle::is_finished) {
        // The pace of the chaos, not a wait for anything.
        tokio::time::sleep(Duration::from_millis(15)).await;
        world.change();
        number += 1;
        if number % 5 == 0 {
            rig.publish(&world.routes(number));
        }
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("every answer is whole or an honest error");
    }
    let (answers, errors) =
        (tally.answers.load(Ordering::Relaxed), tally.errors.load(Ordering::Relaxed));
    println!("{answers} answers, {errors} errors in {:?}", begun.elapsed());
    let seen = tally.seen.lock().clone();
    println!("{}", seen.join("\n"));
    assert!(answers > CALLERS as u64, "{answers} answers");
    // A stream of Responses that is cut after its text and before its end cannot be gone on with, and
    // chance decides how many of them there are.
    let ended = seen.iter().filter(|told| told.ends_with("the text had ended")).count() as u64;
    let errors = errors - ended;
    // One in a thousand, where there are thousands: a slow machine gets few requests done.
    let allowed = answers.max(4000) / 1000;
    assert!(errors <= allowed, "{errors} of {answers}:\n{}", seen.join("\n"));

    rig.settled().await;
    let states = rig.state.targets();
    assert!(states.iter().all(|target| target.retry_budget.drawn() == 0), "no repeat is left");
    rig.wait_for("the memory for bodies", || rig.metrics.buffered_bytes.get() == 0).await;
    for simulator in world.sick.iter().chain([&world.well]) {
        simulator.wait_for(|now| now.in_flight == 0).await.unwrap();
    }
}
