//! Which target is asked first, and with what.

use http::{Method, StatusCode};
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use crate::routes::{Api, ONCE, chat_body, fault, route_of, simulator};
use crate::support::{KEY, Rig};

/// Targets with the names, weights and priorities that are given, all of them healthy.
struct Fleet(Vec<Simulator>);

impl Fleet {
    async fn start(names: &[&str]) -> Self {
        let mut simulators = Vec::new();
        for name in names {
            simulators.push(simulator(name).await);
        }
        Self(simulators)
    }

    /// A route with a target for each; `rests` are the further fields of each.
    fn route(&self, name: &str, names: &[&str], rests: &[&str], extra: &str) -> String {
        let targets: Vec<String> = self
            .0
            .iter()
            .zip(names.iter().zip(rests))
            .map(|(simulator, (name, rest))| {
                Api::Chat.target(name, &simulator.url(), &format!("model: m, {rest}"))
            })
            .collect();
        route_of(name, &targets, extra)
    }

    fn counts(&self) -> Vec<u64> {
        self.0.iter().map(Simulator::count).collect()
    }
}

const NAMES: [&str; 3] = ["alpha", "bravo", "charlie"];

async fn pick(rig: &Rig, headers: &[(&str, &str)]) -> crate::answer::Answer {
    let headers = [&[("x-api-key", KEY)], headers].concat();
    rig.send(Method::POST, Api::Chat.path(), &headers, chat_body("chat", false)).await
}

#[tokio::test]
async fn weights_are_shares_over_any_short_stretch() {
    let fleet = Fleet::start(&NAMES).await;
    let weights = ["weight: 7", "weight: 2", "weight: 1"];
    let rig = Rig::start(&fleet.route("chat", &NAMES, &weights, "")).await;
    for tens in 1..=6_u64 {
        for _ in 0..10 {
            assert_eq!(rig.chat("chat").await.header("x-used-fallback"), "false");
        }
        for (count, weight) in fleet.counts().into_iter().zip([7, 2, 1]) {
            assert!(count.abs_diff(tens * weight) <= 3, "{:?} of {}0", fleet.counts(), tens);
        }
    }
}

#[tokio::test]
async fn round_robin_asks_in_turn_whatever_the_weight() {
    let fleet = Fleet::start(&NAMES).await;
    let extra = "  loadBalancing: {strategy: RoundRobin}\n";
    let weights = ["weight: 900", "weight: 1", "weight: 50"];
    let rig = Rig::start(&fleet.route("chat", &NAMES, &weights, extra)).await;
    for round in 1..=5 {
        for _ in NAMES {
            rig.chat("chat").await;
        }
        assert_eq!(fleet.counts(), [round; 3]);
    }
}

#[tokio::test]
async fn least_connections_counts_a_stream_until_its_last_byte() {
    let fleet = Fleet::start(&NAMES[..2]).await;
    let extra = "  loadBalancing: {strategy: LeastConnections}\n";
    let routes = fleet.route("chat", &NAMES, &["", ""], extra);
    let rig = Rig::start(&routes).await;
    fleet.0.iter().for_each(|simulator| simulator.set_fault(fault("stall=4")));
    let mut stream = rig.open_chat("chat").await;
    stream.read_until("You").await;
    let busy = stream.headers["x-used-provider"].to_str().unwrap().to_owned();
    fleet.0.iter().for_each(|simulator| simulator.set_fault(fault("")));
    // The head of its answer came long ago; it is busy all the same, and across a new table too.
    for _ in 0..6 {
        assert_ne!(rig.chat("chat").await.target(), busy);
        rig.publish(&routes);
    }
    drop(stream);
    rig.settled().await;
    let mut seen = Vec::new();
    for _ in 0..12 {
        seen.push(rig.chat("chat").await.target().to_owned());
    }
    assert!(seen.contains(&busy), "it is as good as the other again: {seen:?}");
}

#[tokio::test]
async fn fastest_response_goes_where_the_first_token_comes_soonest() {
    let fleet = Fleet::start(&NAMES[..2]).await;
    let extra = "  loadBalancing: {strategy: FastestResponse}\n";
    let rig = Rig::start(&fleet.route("chat", &NAMES, &["", ""], extra)).await;
    fleet.0[0].set_fault(fault("delay=200ms"));
    for request in 0..20 {
        rig.ask(Api::Chat, "chat", request % 2 == 0).await;
    }
    let counts = fleet.counts();
    assert!(counts[0] >= 1, "nobody knows a target that was never asked: {counts:?}");
    assert!(counts[1] >= 14, "a few requests try the other: {counts:?}");
}

#[tokio::test]
async fn a_tier_is_used_while_it_has_an_available_target_of_weight_above_0() {
    let fleet = Fleet::start(&NAMES).await;
    let rests = ["priority: 2, weight: 1000", "priority: 1", "priority: 0, weight: 0"];
    let rig = Rig::start(&fleet.route("chat", &NAMES, &rests, "")).await;
    for _ in 0..4 {
        let answer = rig.chat("chat").await;
        assert_eq!((answer.target(), answer.header("x-used-fallback")), ("bravo", "false"));
    }
    fleet.0[1].set_fault(fault("status=500"));
    let answer = rig.chat("chat").await;
    assert_eq!((answer.target(), answer.header("x-used-fallback")), ("alpha", "true"));
    assert_eq!(fleet.counts()[2], 0);
}

#[tokio::test]
async fn a_caller_picks_a_target_where_the_route_allows_it() {
    let fleet = Fleet::start(&NAMES).await;
    let rests = ["", "priority: 1", "weight: 0"];
    let extra = format!("  targetSelection: Allowed\n{ONCE}");
    let rig = Rig::start(&fleet.route("chat", &NAMES, &rests, &extra)).await;
    for name in NAMES {
        let answer = pick(&rig, &[("x-backend", name)]).await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, name), "also of weight 0");
        assert_eq!(answer.header("x-used-fallback"), "false");
    }
    let answer = pick(&rig, &[("x-backend", "delta")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("alpha, bravo, charlie"), "{answer:?}");

    // This target only.
    fleet.0[1].set_fault(fault("status=500"));
    let answer = pick(&rig, &[("x-backend", "bravo")]).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(fleet.counts(), [1, 2, 1]);
}

#[tokio::test]
async fn the_breaker_of_a_picked_target_holds() {
    let fleet = Fleet::start(&NAMES[..2]).await;
    let extra = "  targetSelection: Allowed\n  circuitBreaker: {failureThreshold: 1}\n";
    let rig = Rig::start(&fleet.route("chat", &NAMES, &["", ""], extra)).await;
    fleet.0[1].set_fault(fault("status=500"));
    assert_eq!(pick(&rig, &[("x-backend", "bravo")]).await.status, StatusCode::BAD_GATEWAY);
    let answer = pick(&rig, &[("x-backend", "bravo")]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().contains("bravo: its circuit breaker is open"), "{answer:?}");
    assert_eq!(fleet.counts(), [0, 1]);
}

#[tokio::test]
async fn a_caller_picks_no_target_where_the_route_does_not_say_so() {
    let fleet = Fleet::start(&NAMES[..1]).await;
    let rig = Rig::start(&fleet.route("chat", &NAMES, &[""], "")).await;
    let answer = pick(&rig, &[("x-backend", "alpha")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.json()["error"]["code"], "target_selection_denied");
    assert!(answer.text().contains("spec.targetSelection"), "{answer:?}");
    assert_eq!(fleet.counts(), [0]);
}

#[tokio::test]
async fn a_route_is_addressed_without_doubt() {
    let fleet = Fleet::start(&NAMES[..2]).await;
    // Both name the model; the older, here the first by name, owns it.
    let routes = [
        fleet.route("first", &NAMES[..1], &[""], "  models: [chat]\n"),
        route_of(
            "second",
            &[Api::Chat.target("bravo", &fleet.0[1].url(), "model: m")],
            "  models: [chat]\n",
        ),
    ];
    let rig = Rig::start(&routes.concat()).await;
    assert_eq!(pick(&rig, &[]).await.target(), "alpha");
    let answer = pick(&rig, &[("x-pilothouse-route", "ns/second")]).await;
    assert_eq!((answer.target(), answer.header("x-pilothouse-route")), ("bravo", "ns/second"));
    for (address, status) in [("ns/third", 404), ("other/second", 404), ("second", 400)] {
        let answer = pick(&rig, &[("x-pilothouse-route", address)]).await;
        assert_eq!(answer.status.as_u16(), status, "{address}");
    }
    // A header opens no way to what the route does not name.
    let headers = [("x-api-key", KEY), ("x-pilothouse-route", "ns/second")];
    let answer = rig.send(Method::POST, Api::Chat.path(), &headers, chat_body("gpt", false)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

/// What the target is sent for a request with these members.
async fn sent(rig: &Rig, target: &Simulator, api: Api, members: &Value) -> Value {
    let mut body: Value = serde_json::from_str(&api.body("chat", false)).unwrap();
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let answer = rig.post(api.path(), body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    target.requests().last().unwrap().json()
}

const PARAMETERS: &str = "  parameters:\n    defaults: {temperature: 0.5, maxOutputTokens: 77}\n    \
                          overrides: {topP: 0.9}\n    drop: [seed]\n";

#[tokio::test]
async fn defaults_fill_overrides_replace_and_dropped_ones_vanish() {
    let fleet = Fleet::start(&NAMES[..1]).await;
    let rig = Rig::start(&fleet.route("chat", &NAMES, &[""], PARAMETERS)).await;
    let target = &fleet.0[0];
    let got = sent(&rig, target, Api::Chat, &json!({})).await;
    assert_eq!(
        (&got["temperature"], &got["max_tokens"], &got["top_p"]),
        (&json!(0.5), &json!(77), &json!(0.9))
    );
    let mine = json!({"temperature": 1.0, "max_completion_tokens": 5, "top_p": 0.1, "seed": 3, "logit_bias": {}});
    let got = sent(&rig, target, Api::Chat, &mine).await;
    assert_eq!((&got["temperature"], &got["top_p"]), (&json!(1.0), &json!(0.9)));
    assert_eq!(got["max_completion_tokens"], 5, "the client's own spelling counts as set");
    assert!(got.get("max_tokens").is_none() && got.get("seed").is_none(), "{got}");
    assert!(got.get("logit_bias").is_some(), "what the gateway does not know stays: {got}");
}

#[tokio::test]
async fn neutral_names_become_the_protocols_own() {
    let alpha = simulator("alpha").await;
    let target = Api::Messages.target("alpha", &alpha.url(), "model: m");
    let rig = Rig::start(&route_of("chat", &[target], PARAMETERS)).await;
    let got = sent(&rig, &alpha, Api::Messages, &json!({"temperature": 1.0})).await;
    assert_eq!((&got["max_tokens"], &got["top_p"]), (&json!(100), &json!(0.9)));

    let target = Api::Responses.target("alpha", &alpha.url(), "model: m");
    let rig = Rig::start(&route_of("chat", &[target], PARAMETERS)).await;
    let got = sent(&rig, &alpha, Api::Responses, &json!({})).await;
    assert_eq!(got["max_output_tokens"], 77);
}

#[tokio::test]
async fn a_targets_parameters_go_over_the_routes_and_raw_ones_over_all() {
    let fleet = Fleet::start(&NAMES[..1]).await;
    let rest = "parameters: {defaults: {temperature: 0.1, seed: 4}}, \
                rawParameters: {top_p: 0.2, chat_template_kwargs: {enable_thinking: false}}";
    let rig = Rig::start(&fleet.route("chat", &NAMES, &[rest], PARAMETERS)).await;
    let got = sent(&rig, &fleet.0[0], Api::Chat, &json!({})).await;
    assert_eq!(got["temperature"], 0.1);
    assert_eq!(got["max_tokens"], 77, "inherited");
    assert_eq!(got["seed"], 4, "a target can keep what the route drops");
    assert_eq!(got["top_p"], 0.2);
    assert_eq!(got["chat_template_kwargs"], json!({"enable_thinking": false}));
}
