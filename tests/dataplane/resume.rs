//! A stream that breaks in the middle of its text, and whoever is to go on with it: well, or as models
//! and servers do that were not made for it.
//!
//! Every client API before every protocol, every way to break, every way to go on: what the client has
//! at the end is the whole text and nothing twice, or it ends in an error of the client's protocol.

use std::sync::Arc;

use http::StatusCode;
use pilothouse::simulate::{Flavor, Simulator};

use crate::answer::Answer;
use crate::pairs::CLIENTS;
use crate::pairs::cases::HELLO;
use crate::pairs::client::{Ask, Client, Event, Finish, With, events};
use crate::routes::{fault, route_of};
use crate::support::Rig;

/// Somebody who begins an answer or goes on with it.
struct Side {
    provider: &'static str,
    flavor: Flavor,
    /// What stands behind the origin in the base URL.
    base: &'static str,
    model: &'static str,
}

/// One of each protocol, and of each way in which it may be asked to go on.
const SIDES: [Side; 6] = [
    Side { provider: "openai-compatible", flavor: Flavor::OpenAi, base: "/v1", model: "gpt-sim" },
    Side {
        provider: "anthropic-compatible",
        flavor: Flavor::Anthropic,
        base: "",
        model: "claude-sonnet-4-6",
    },
    Side { provider: "gemini", flavor: Flavor::Gemini, base: "/v1beta", model: "gemini-3.1-pro" },
    Side {
        provider: "bedrock",
        flavor: Flavor::Bedrock,
        base: "",
        model: "us.anthropic.claude-sonnet-4-6-v1:0",
    },
    // Those that take the words so far as their own.
    Side { provider: "vllm", flavor: Flavor::OpenAi, base: "/v1", model: "llama-sim" },
    Side {
        provider: "anthropic-compatible",
        flavor: Flavor::Anthropic,
        base: "",
        model: "claude-sonnet-4-5",
    },
];

/// After so many events a few words of the answer are out, whatever the protocol.
const BREAKS: [&str; 5] = ["cut=16", "cut=16:reset", "cut=16:end", "stall=16", "error=16"];

/// What becomes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    Whole,
    WholeOrError,
}

/// How it is gone on with. The first target, which is asked once more if nobody else goes on, refuses
/// to and breaks again.
const MANNERS: [(&str, Becomes); 7] = [
    ("truly", Becomes::Whole),
    ("restart", Becomes::Whole),
    ("repeat", Becomes::Whole),
    ("courtesy", Becomes::Whole),
    ("refuse", Becomes::Whole),
    ("mid-word", Becomes::Whole),
    // Who takes the words so far as its own has no other words for them.
    ("paraphrase", Becomes::WholeOrError),
];

const PATIENCE: &str = "  timeouts: {idle: 150ms, thinkingIdle: 1h}\n  \
                        circuitBreaker: {failureThreshold: 1000, errorThresholdPercentage: 100, \
                        minRequests: 100000}\n";

fn target(name: &str, side: &Side, simulator: &Simulator, fault: &str, priority: u8) -> String {
    let Side { provider, base, model, .. } = side;
    format!(
        "{{name: {name}, provider: {provider}, baseURL: \"{}{base}\", priority: {priority}, \
         model: \"{model}{fault}\", credentialRef: {{name: one}}}}",
        simulator.url()
    )
}

/// A simulator for each side; all have the same name, so that they say the same.
async fn simulators() -> Vec<Simulator> {
    let start = SIDES.iter().map(async |side| {
        Simulator::builder().name("sim").provider(side.flavor).start().await.unwrap()
    });
    futures::future::join_all(start).await
}

fn has_error(event: &Event) -> bool {
    event.name == "error"
        || event.name.ends_with("Exception")
        || event.data["type"] == "error"
        || event.data["error"].is_object()
}

/// What came of a stream: the whole text, or an error after the beginning of it.
fn outcome(client: &dyn Client, answer: &Answer, what: &str) -> Result<String, String> {
    assert_eq!(answer.status, StatusCode::OK, "{what}: {answer:?}");
    assert!(!answer.cut, "{what}: {answer:?}");
    assert!(!answer.text_lossy().contains("begun elsewhere"), "{what}: {answer:?}");
    let events = events(answer);
    if events.last().is_some_and(has_error) {
        let (so_far, _) = client.broken(&events);
        return Err(so_far);
    }
    let view = client.read(&client.assemble(&events));
    assert_eq!(view.finish, Finish::Stop, "{what}: {answer:?}");
    assert!(view.input > 0 && view.output > 0, "{what}: {answer:?}");
    Ok(view.text)
}

/// One row of the matrix: a client whose streams are begun by one side.
async fn goes_through(client: &'static dyn Client, first: usize) {
    let simulators = simulators().await;
    let mut routes =
        vec![route_of("sound", &[target("a", &SIDES[first], &simulators[first], "", 0)], "")];
    let mut cases = Vec::new();
    // Where a stream began does not matter to those who take a prefill, so that two ways to break do.
    let breaks = if first < 4 { &BREAKS[..] } else { &BREAKS[2..4] };
    for (at, how) in breaks.iter().enumerate() {
        for (shift, (manner, becomes)) in MANNERS.iter().enumerate() {
            // The same protocol in turn with each other one.
            let other = (first + 1 + (at + shift) % (SIDES.len() - 1)) % SIDES.len();
            let second = if (at + shift).is_multiple_of(2) { first } else { other };
            let name = format!("r{}", cases.len());
            let begins = format!(";{how};goes-on=refuse");
            let goes_on = format!(";goes-on={manner}");
            let targets = [
                target("a", &SIDES[first], &simulators[first], &begins, 0),
                target("b", &SIDES[second], &simulators[second], &goes_on, 1),
            ];
            routes.push(route_of(&name, &targets, PATIENCE));
            let what = format!(
                "{} begun by {} ({}), {how}, {manner} by {} ({})",
                client.name(),
                SIDES[first].provider,
                SIDES[first].model,
                SIDES[second].provider,
                SIDES[second].model
            );
            cases.push((name, *becomes, what));
        }
    }
    let rig = Rig::start(&routes.concat()).await;
    let ask = async |route: &str| {
        let body = client.body(&HELLO.streamed(true), route).to_string();
        rig.post(&client.path(route, true), body).await
    };
    let whole = outcome(client, &ask("sound").await, "sound").unwrap();
    let mut wrong = Vec::new();
    for (route, becomes, what) in &cases {
        let answer = ask(route).await;
        match (outcome(client, &answer, what), becomes) {
            (Ok(text), Becomes::Whole | Becomes::WholeOrError) if text == whole => {}
            (Err(so_far), Becomes::WholeOrError)
                if so_far.len() > 20 && whole.starts_with(&so_far) => {}
            (got, _) => {
                let log = rig.log_lines(1).await;
                let last = log.last().map(|line| line["failures"].clone());
                wrong.push(format!("{what}: {got:?}; {last:?}"));
            }
        }
    }
    rig.settled().await;
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// All clients before one side.
async fn begun_by(first: usize) {
    let all: Vec<_> =
        CLIENTS.into_iter().map(|client| tokio::spawn(goes_through(client, first))).collect();
    let mut failed = 0;
    for one in all {
        failed += usize::from(one.await.is_err());
    }
    assert_eq!(failed, 0, "of {} clients", CLIENTS.len());
}

#[tokio::test]
async fn what_an_openai_target_began_is_gone_on_with() {
    begun_by(0).await;
}

#[tokio::test]
async fn what_an_anthropic_target_began_is_gone_on_with() {
    begun_by(1).await;
}

#[tokio::test]
async fn what_a_gemini_target_began_is_gone_on_with() {
    begun_by(2).await;
}

#[tokio::test]
async fn what_a_bedrock_target_began_is_gone_on_with() {
    begun_by(3).await;
}

#[tokio::test]
async fn what_a_target_began_that_takes_a_prefill_is_gone_on_with() {
    begun_by(4).await;
    begun_by(5).await;
}

/// A route whose first target breaks as told, for that client; gives the answer, and how often the
/// second was asked.
async fn broken_off(
    client: &'static dyn Client,
    side: usize,
    ask: &Ask,
    begins: &str,
    goes_on: &str,
) -> (Answer, u64) {
    let start = || async {
        let simulator = Simulator::builder().name("sim").provider(SIDES[side].flavor);
        simulator.start().await.unwrap()
    };
    let (alpha, bravo) = tokio::join!(start(), start());
    let targets = [
        target("alpha", &SIDES[side], &alpha, "", 0),
        target("bravo", &SIDES[side], &bravo, "", 1),
    ];
    alpha.set_fault(fault(begins));
    bravo.set_fault(fault(goes_on));
    let rig = Rig::start(&route_of("chat", &targets, PATIENCE)).await;
    let body = client.body(&ask.streamed(true), "chat").to_string();
    let answer = rig.post(&client.path("chat", true), body).await;
    rig.settled().await;
    (answer, bravo.count())
}

#[tokio::test]
async fn what_is_said_in_other_words_is_never_joined_to_what_was_delivered() {
    for client in CLIENTS {
        for (side, of) in SIDES.iter().enumerate().take(4) {
            let what = format!("{} {}", client.name(), of.provider);
            let begins = "cut=16;goes-on=refuse";
            let (answer, asked) =
                broken_off(client, side, &HELLO, begins, "goes-on=paraphrase").await;
            let so_far = match outcome(client, &answer, &what) {
                Err(so_far) => so_far,
                // Who takes the words so far as its own has no other words for them.
                Ok(text) => {
                    assert_eq!(text, super::rows::whole("sim"), "{what}");
                    text
                }
            };
            assert!(!so_far.contains("your words"), "{what}: {so_far}");
            assert!(so_far.starts_with("You said: \"hello\". This"), "{what}: {so_far}");
            assert!(asked >= 1, "{what}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_in_the_middle_of_a_word_is_gone_on_with_there() {
    // The simulators' tokens have 16 letters at most.
    let word = "antidisestablishmentarianism-supercalifragilisticexpialidocious";
    let ask = Ask { said: word, ..HELLO };
    for client in CLIENTS {
        for (side, of) in SIDES.iter().enumerate().take(4) {
            for (manner, cuts) in [("truly", 4..6), ("mid-word", 5..6), ("refuse", 4..5)] {
                for at in cuts {
                    let begins = format!("cut={at};goes-on=refuse");
                    let goes_on = format!("goes-on={manner}");
                    let (answer, _) = broken_off(client, side, &ask, &begins, &goes_on).await;
                    let what = format!("{} {} {manner} {at}", client.name(), of.provider);
                    let text = outcome(client, &answer, &what).expect(&what);
                    assert_eq!(text, super::rows::whole("sim").replace("hello", word), "{what}");
                }
            }
        }
    }
}

/// Where the events of each side have begun a call.
const IN_A_CALL: [usize; 4] = [4, 5, 1, 3];

#[tokio::test]
async fn a_call_that_has_begun_is_not_resumed_and_ends_in_an_honest_error() {
    let clients: Vec<_> = CLIENTS.into_iter().filter(|client| client.is_chat()).collect();
    for client in clients {
        for (side, at) in IN_A_CALL.into_iter().enumerate() {
            for how in ["cut", "stall", "error"] {
                let ask = Ask::of("what says get_weather?", With::Tools);
                let begins = format!("{how}={at}");
                let (answer, asked) = broken_off(client, side, &ask, &begins, "").await;
                let what = format!("{} {} {how}", client.name(), SIDES[side].provider);
                assert_eq!(answer.status, StatusCode::OK, "{what}: {answer:?}");
                let events = events(&answer);
                assert!(events.last().is_some_and(has_error), "{what}: {answer:?}");
                let (_, message) = client.broken(&events);
                assert!(message.contains("tool call"), "{what}: {message}");
                assert_eq!(asked, 0, "{what}: nobody else calls it");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_again_and_again_is_whole_in_the_end() {
    // Each time a few more words come before the connection breaks.
    let simulators = Arc::new(simulators().await);
    for client in CLIENTS {
        for side in [0, 1, 2, 3] {
            let targets: Vec<String> = (0..4)
                .map(|at| {
                    let fault = if at < 3 { format!(";cut={}", 12 + at) } else { String::new() };
                    target(&format!("t{at}"), &SIDES[side], &simulators[side], &fault, at)
                })
                .collect();
            let rig = Rig::start(&route_of("chat", &targets, PATIENCE)).await;
            let body = client.body(&HELLO.streamed(true), "chat").to_string();
            let answer = rig.post(&client.path("chat", true), body).await;
            let what = format!("{} {}", client.name(), SIDES[side].provider);
            let text = outcome(client, &answer, &what);
            assert_eq!(text.as_deref().ok(), Some(&*super::rows::whole("sim")), "{what}: {text:?}");
            let log = rig.log_lines(1).await;
            assert!(log[0]["resumes"].as_u64().unwrap() >= 2, "{what}: {log:?}");
        }
    }
}
