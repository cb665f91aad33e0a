//! What every pair has to do.

use std::future::Future;
use std::pin::Pin;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use super::Pair;
use super::client::{Ask, Call, Finish, PICTURE, View, With, events};

/// Runs a case and says what the table has of it.
type Case = fn(Pair) -> Pin<Box<dyn Future<Output = &'static str> + Send>>;

/// The columns of the table.
pub const CASES: [(&str, Case); 10] = [
    ("how", |pair| Box::pin(how(pair))),
    ("plain", |pair| Box::pin(plain(pair))),
    ("stream", |pair| Box::pin(stream(pair))),
    ("tools", |pair| Box::pin(tools(pair))),
    ("parallel tools", |pair| Box::pin(parallel(pair))),
    ("image", |pair| Box::pin(image(pair))),
    ("structured output", |pair| Box::pin(structured(pair))),
    ("reasoning", |pair| Box::pin(reasoning(pair))),
    ("error", |pair| Box::pin(error(pair))),
    ("broken stream", |pair| Box::pin(broken(pair))),
];

/// What most cases begin with.
pub const HELLO: Ask = Ask { said: "hello", stream: false, with: With::Nothing };

/// The pair did it.
const YES: &str = "yes";
/// The client's API has no such thing.
const NO_SUCH_THING: &str = "–";

/// What the simulated providers think when nothing says how long.
const THOUGHT: &str = "This answer comes from a simulated provider and was not written by ";

/// Asks and reads the answer, which must be one, in both its forms.
async fn converse(pair: &Pair, route: &str, ask: &Ask) -> (Value, View) {
    talk(pair, route, ask.stream, &pair.client.body(ask, route)).await
}

async fn talk(pair: &Pair, route: &str, stream: bool, body: &Value) -> (Value, View) {
    let answer = pair.post(route, stream, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(!answer.cut);
    let whole = if stream { pair.client.assemble(&events(&answer)) } else { answer.json() };
    let view = pair.client.read(&whole);
    assert!(view.input > 0 && view.output > 0, "it was counted: {whole}");
    (whole, view)
}

async fn how(pair: Pair) -> &'static str {
    let body = pair.client.body(&HELLO, "sound");
    let answer = pair.post("sound", false, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let without_model = |mut body: Value| {
        body.as_object_mut().unwrap().remove("model");
        body
    };
    let same = without_model(pair.asked()) == without_model(body);
    if same { "as it came" } else { "translated" }
}

async fn plain(pair: Pair) -> &'static str {
    let (_, view) = converse(&pair, "sound", &HELLO).await;
    assert_prose(&view);
    YES
}

async fn stream(pair: Pair) -> &'static str {
    let (_, view) = converse(&pair, "sound", &HELLO.streamed(true)).await;
    assert_prose(&view);
    let (_, plain) = converse(&pair, "sound", &HELLO).await;
    assert_eq!(view, plain, "streamed or not, it is the same");
    YES
}

fn assert_prose(view: &View) {
    assert!(view.text.starts_with("You said: \"hello\"."), "{view:?}");
    assert!(view.text.ends_with("Served by sim."), "{view:?}");
    assert_eq!((view.finish, &*view.reasoning), (Finish::Stop, ""), "{view:?}");
    assert!(view.calls.is_empty(), "{view:?}");
}

async fn tools(pair: Pair) -> &'static str {
    let returned = ["18 degrees"];
    call_and_return(pair, "what says get_weather?", &["get_weather"], &returned).await
}

async fn parallel(pair: Pair) -> &'static str {
    let said = "ask them in parallel";
    call_and_return(pair, said, &["get_weather", "get_time"], &["18 degrees", "noon"]).await
}

/// The functions are called, they return, and the conversation goes on; streamed and not.
async fn call_and_return(
    pair: Pair,
    said: &'static str,
    names: &[&str],
    returned: &[&'static str],
) -> &'static str {
    if !pair.client.is_chat() {
        return NO_SUCH_THING;
    }
    for stream in [false, true] {
        let ask = Ask::of(said, With::Tools).streamed(stream);
        let mut body = pair.client.body(&ask, "sound");
        let (answer, view) = talk(&pair, "sound", stream, &body).await;
        assert_calls(&view, names);
        let results: Vec<(Call, &str)> =
            view.calls.into_iter().zip(returned.iter().copied()).collect();
        pair.client.go_on(&mut body, &answer, &results);
        let (_, view) = talk(&pair, "sound", stream, &body).await;
        assert!(view.text.starts_with("The tools returned: "), "{view:?}");
        assert_eq!((view.finish, view.calls.len()), (Finish::Stop, 0), "{view:?}");
        let asked = pair.asked().to_string();
        assert!(returned.iter().all(|one| asked.contains(one)), "{asked}");
    }
    YES
}

fn assert_calls(view: &View, names: &[&str]) {
    let arguments = |name: &str| match name {
        "get_weather" => json!({"city": "example"}),
        _ => json!({"zone": 1}),
    };
    let called: Vec<&str> = view.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!((called.as_slice(), view.finish), (names, Finish::Calls), "{view:?}");
    for (at, call) in view.calls.iter().enumerate() {
        assert_eq!(call.arguments, arguments(&call.name), "{view:?}");
        assert!(call.id.as_deref() != Some(""), "{view:?}");
        let same_id = |other: &Call| other.id.is_some() && other.id == call.id;
        assert!(!view.calls[..at].iter().any(same_id), "{view:?}");
    }
}

async fn image(pair: Pair) -> &'static str {
    if !pair.client.is_chat() {
        return NO_SUCH_THING;
    }
    let ask = Ask::of("hello", With::Picture);
    let (_, view) = converse(&pair, "sound", &ask).await;
    assert_prose(&view);
    assert!(pair.asked().to_string().contains(PICTURE), "the provider has got it");
    assert!(view.input >= 85, "and counted it: {view:?}");
    YES
}

async fn structured(pair: Pair) -> &'static str {
    if !pair.client.is_chat() {
        return NO_SUCH_THING;
    }
    for stream in [false, true] {
        let ask = Ask::of("hello", With::Form).streamed(stream);
        let (_, view) = converse(&pair, "sound", &ask).await;
        let value: Value = serde_json::from_str(&view.text).expect(&view.text);
        assert_eq!(value, json!({"city": "example", "degrees": 1}));
        assert_eq!((view.finish, view.calls.len()), (Finish::Stop, 0), "{view:?}");
    }
    YES
}

/// Reasoning, then a call; with what the call returned, the reasoning's state goes back to its maker
/// as it was.
async fn reasoning(pair: Pair) -> &'static str {
    if !pair.client.is_chat() {
        return NO_SUCH_THING;
    }
    let mut shown = Vec::new();
    for stream in [false, true] {
        let ask = Ask::of("what says get_weather?", With::Thinking).streamed(stream);
        let mut body = pair.client.body(&ask, "thinking");
        let (answer, view) = talk(&pair, "thinking", stream, &body).await;
        assert_calls(&view, &["get_weather"]);
        assert!(["", THOUGHT].contains(&&*view.reasoning), "{view:?}");
        shown.push(!view.reasoning.is_empty());
        pair.client.go_on(&mut body, &answer, &[(view.calls[0].clone(), "18 degrees")]);
        let (_, view) = talk(&pair, "thinking", stream, &body).await;
        assert!(view.text.starts_with("The tools returned: \"18 degrees\""), "{view:?}");
        let asked = pair.asked().to_string();
        let signature = BASE64_STANDARD.encode(format!("signed:{THOUGHT}"));
        assert_eq!(asked.contains(&format!("\"{signature}\"")), pair.upstream.signs, "{asked}");
    }
    assert_eq!(shown[0], shown[1], "streamed or not, it is the same");
    match (shown[0], pair.upstream.signs) {
        (true, true) => "text, state",
        (true, false) => "text",
        (false, true) => "state",
        (false, false) => panic!("nothing came of it"),
    }
}

async fn error(pair: Pair) -> &'static str {
    for stream in [false, true] {
        let ask = HELLO.streamed(stream);
        let refused = pair.post("refused", stream, &pair.client.body(&ask, "refused")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
        assert_eq!(pair.client.error(&refused), "this-is-odd", "{refused:?}");
        let throttled = pair.post("throttled", stream, &pair.client.body(&ask, "throttled")).await;
        assert_eq!(throttled.status, StatusCode::TOO_MANY_REQUESTS, "{throttled:?}");
        assert!(!pair.client.error(&throttled).is_empty(), "{throttled:?}");
        let after: u64 = throttled.header("retry-after").parse().unwrap();
        assert!((1..=7).contains(&after), "{throttled:?}");
    }
    YES
}

/// What breaks before its end is never shown as whole.
async fn broken(pair: Pair) -> &'static str {
    for route in ["cut", "ended-early", "failing"] {
        let so_far = break_off(&pair, route, &HELLO).await;
        assert!(so_far.starts_with("You said: "), "what had come stands: {so_far}");
    }
    if pair.client.is_chat() {
        let ask = Ask::of("what says get_weather?", With::Tools);
        assert_eq!(break_off(&pair, "cut-in-a-call", &ask).await, "");
    }
    YES
}

/// Reads a stream that breaks, and says what it said before.
async fn break_off(pair: &Pair, route: &str, ask: &Ask) -> String {
    let ask = ask.streamed(true);
    let answer = pair.post(route, true, &pair.client.body(&ask, route)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let (so_far, message) = pair.client.broken(&events(&answer));
    assert!(message.contains("sim") && !message.contains("Simulated error"), "{message}");
    so_far
}
