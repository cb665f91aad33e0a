//! Every client API before every provider's protocol, over real sockets.
//!
//! Each cell is a conversation: it is asked in the client's API, a simulated provider that keeps to
//! its vendor's rules answers in its own, and the answer is read back in the client's. What ran is
//! the table in `deploy/guides/protocols.md`; `UPDATE_DOCS=1` (`make guides`) writes it anew.

#[path = "pairs/cases.rs"]
pub mod cases;
#[path = "pairs/chat.rs"]
pub mod chat;
#[path = "pairs/client.rs"]
pub mod client;
#[path = "pairs/completions.rs"]
mod completions;
#[path = "pairs/converse.rs"]
mod converse;
#[path = "pairs/doors.rs"]
mod doors;
#[path = "pairs/gemini.rs"]
mod gemini;
#[path = "pairs/guide.rs"]
mod guide;
#[path = "pairs/losses.rs"]
mod losses;
#[path = "pairs/messages.rs"]
pub mod messages;
#[path = "pairs/responses.rs"]
mod responses;

use std::sync::Arc;

use pilothouse::simulate::{Flavor, Simulator};
use serde_json::Value;

use self::cases::{CASES, HELLO};
use self::client::Client;
use crate::answer::Answer;
use crate::routes::route_of;
use crate::support::{FIRST_KEY, KEY, Rig};

pub static CLIENTS: [&dyn Client; 6] = [
    &chat::Chat,
    &completions::Completions,
    &responses::Responses,
    &messages::Messages,
    &gemini::Gemini,
    &converse::Converse,
];

/// A provider that is asked.
pub struct Upstream {
    /// As the guide has it.
    name: &'static str,
    provider: &'static str,
    flavor: Flavor,
    /// What stands behind the origin in the base URL.
    base: &'static str,
    /// Further fields of the target.
    fields: &'static str,
    model: &'static str,
    /// What makes the simulated provider show reasoning, where asking for it does not.
    thinks: &'static str,
    /// Whether reasoning comes with a state that has to be sent back.
    signs: bool,
    /// After how many events of a stream a call has begun and the answer has not ended.
    in_a_call: usize,
}

static UPSTREAMS: [Upstream; 4] = [
    Upstream {
        name: "OpenAI",
        provider: "openai-compatible",
        flavor: Flavor::OpenAi,
        base: "/v1",
        fields: "",
        model: "gpt-sim",
        thinks: ";reasoning=12",
        signs: false,
        in_a_call: 4,
    },
    Upstream {
        name: "Anthropic",
        provider: "anthropic-compatible",
        flavor: Flavor::Anthropic,
        base: "",
        fields: "",
        model: "claude-sonnet-4-6",
        thinks: "",
        signs: true,
        in_a_call: 5,
    },
    Upstream {
        name: "Gemini",
        provider: "gemini",
        flavor: Flavor::Gemini,
        base: "/v1beta",
        fields: "",
        model: "gemini-3.1-pro",
        thinks: "",
        signs: true,
        in_a_call: 1,
    },
    Upstream {
        name: "Bedrock",
        provider: "bedrock",
        flavor: Flavor::Bedrock,
        base: "",
        fields: "",
        model: "us.anthropic.claude-sonnet-4-6-v1:0",
        thinks: "",
        signs: true,
        in_a_call: 3,
    },
];

/// What is wrong with a route's provider, by the route's name.
const FAULTS: [(&str, &str); 6] = [
    ("sound", ""),
    ("refused", ";status=400;message=this-is-odd"),
    ("throttled", ";status=429;retry-after=7"),
    ("cut", ";cut=6"),
    ("ended-early", ";cut=6:end"),
    ("failing", ";error=6"),
];

/// A gateway before one simulated provider.
pub struct Pair {
    pub client: &'static dyn Client,
    upstream: &'static Upstream,
    provider: Arc<Simulator>,
    rig: Arc<Rig>,
}

impl Pair {
    async fn post(&self, route: &str, stream: bool, body: &Value) -> Answer {
        self.rig.post(&self.client.path(route, stream), body.to_string()).await
    }

    /// The last request that the provider got.
    fn asked(&self) -> Value {
        self.provider.requests().last().unwrap().json()
    }
}

async fn provider(upstream: &Upstream) -> (Arc<Simulator>, Arc<Rig>) {
    let simulator = Simulator::builder().name("sim").provider(upstream.flavor).keys([FIRST_KEY]);
    let simulator = simulator.start().await.unwrap();
    let cut_in_a_call = format!(";cut={}", upstream.in_a_call);
    let own = [("thinking", upstream.thinks), ("cut-in-a-call", &*cut_in_a_call)];
    let routes: Vec<String> = FAULTS
        .into_iter()
        .chain(own)
        .map(|(route, fault)| {
            let Upstream { provider, base, fields, model, .. } = upstream;
            let url = format!("{}{base}", simulator.url());
            let target = format!(
                "{{name: sim, provider: {provider}, baseURL: \"{url}\", {fields} \
                 model: \"{model}{fault}\", credentialRef: {{name: one}}}}"
            );
            // Every client meets every fault, more often than a breaker allows.
            let extra = "  circuitBreaker: {failureThreshold: 1000}\n  \
                         streaming: {onInterruption: Error}\n";
            route_of(route, &[target], extra)
        })
        .collect();
    let rig = Rig::start(&routes.concat()).await;
    (Arc::new(simulator), Arc::new(rig))
}

#[tokio::test]
async fn every_client_api_speaks_to_every_protocol() {
    guide::hold(&run(&UPSTREAMS).await);
}

/// The outcomes of every case, a row for each client and upstream.
async fn run(upstreams: &'static [Upstream]) -> Vec<Vec<String>> {
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    let providers = futures::future::join_all(upstreams.iter().map(provider)).await;
    for client in CLIENTS {
        for (upstream, (provider, rig)) in upstreams.iter().zip(&providers) {
            let mut row = vec![client.name().to_owned(), upstream.name.to_owned()];
            for (name, case) in CASES {
                let (provider, rig) = (Arc::clone(provider), Arc::clone(rig));
                let pair = Pair { client, upstream, provider, rig };
                // In a task of its own, so that all that fails is seen at once.
                match tokio::spawn(case(pair)).await {
                    Ok(outcome) => row.push(outcome.to_owned()),
                    Err(_) => {
                        failures.push(format!("{}, {}: {name}", client.name(), upstream.name));
                    }
                }
            }
            rows.push(row);
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    rows
}

#[tokio::test]
async fn no_key_of_the_gateways_caller_reaches_a_provider() {
    for upstream in UPSTREAMS.iter().chain(&doors::DOORS) {
        let (provider, rig) = provider(upstream).await;
        for client in CLIENTS {
            let body = client.body(&HELLO, "sound").to_string();
            let path = client.path("sound", false);
            let headers = [("authorization", &*format!("Bearer {KEY}")), ("x-goog-api-key", KEY)];
            let answer = rig.send(http::Method::POST, &path, &headers, body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        for request in provider.requests() {
            let told: Vec<&str> =
                request.headers.values().map(|value| value.to_str().unwrap()).collect();
            let told = format!("{} {}", request.uri, told.join(" "));
            assert!(!told.contains(KEY) && told.contains(FIRST_KEY), "{told}");
        }
    }
}
