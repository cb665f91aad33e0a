//! What a route says of a model, and what is sent or refused by it.

use std::collections::BTreeSet;

use http::StatusCode;
use pilothouse::balance;
use pilothouse::simulate::{Flavor, Simulator};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::routes::route_of;
use crate::support::Rig;

/// What asking for something comes to.
enum Outcome {
    /// It is sent so: with this in the body, and not that.
    Sent(Value),
    Refused(Answer),
}

async fn ask(
    provider: &str,
    flavor: Flavor,
    capabilities: &str,
    path: &str,
    body: &Value,
) -> Outcome {
    let alpha = Simulator::builder().provider(flavor).name("alpha").start().await.unwrap();
    let base = match provider {
        "gemini" => "/v1beta",
        "bedrock" | "anthropic-compatible" => "",
        _ => "/v1",
    };
    let target = format!(
        "{{name: alpha, provider: {provider}, model: m, baseURL: \"{}{base}\", \
         capabilities: {{{capabilities}}}}}",
        alpha.url()
    );
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    let answer = rig.post(path, body.to_string()).await;
    match alpha.requests().first() {
        Some(sent) => Outcome::Sent(sent.json()),
        None => Outcome::Refused(answer),
    }
}

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";

/// A fact, and what it is seen by.
struct Case {
    /// Its name, and what the target's `capabilities` hold.
    name: &'static str,
    given: &'static str,
    /// What holds beside it, with and without.
    beside: &'static str,
    provider: &'static str,
    path: &'static str,
    /// Members of the request beside the model and a greeting.
    asked: Value,
    /// What is sent because of it, at which place, or the field that is refused.
    then: Result<(&'static str, Value), &'static str>,
}

fn tool() -> Value {
    json!([{"type": "function", "function": {"name": "f", "parameters":
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}}}])
}

fn schema() -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "s", "schema":
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
         "additionalProperties": false}}})
}

fn called() -> Value {
    json!([
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ])
}

const PNG: &str = "iVBORw0KGgo=";

fn cases() -> Vec<Case> {
    let picture = json!([{"role": "user", "content": [{"type": "image_url",
        "image_url": {"url": format!("data:image/png;base64,{PNG}")}}]}]);
    let long = json!([{"role": "user", "content": "hello there ".repeat(40)}]);
    let of_result = json!([
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]}]},
    ]);
    let midway = json!([
        {"role": "user", "content": "hello"},
        {"role": "system", "content": "be brief"},
    ]);
    let prefill = json!([
        {"role": "user", "content": "hello"}, {"role": "assistant", "content": "Well"}]);
    let of_messages = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let chat = |name, given, provider, asked, then| Case {
        name,
        given,
        beside: "",
        provider,
        path: CHAT,
        asked,
        then,
    };
    let claude = "anthropic-compatible";
    vec![
        chat(
            "maxOutputTokens",
            "maxOutputTokens: 100",
            claude,
            json!({"max_tokens": 5000}),
            Ok(("/max_tokens", json!(100))),
        ),
        chat(
            "contextTokens",
            "contextTokens: 50",
            claude,
            json!({"messages": long}),
            Err("messages"),
        ),
        Case {
            name: "tokenPercent",
            given: "tokenPercent: 300",
            beside: "contextTokens: 200",
            provider: claude,
            path: CHAT,
            asked: json!({"messages": long}),
            then: Err("messages"),
        },
        chat(
            "sampling",
            "sampling: None",
            claude,
            json!({"temperature": 0.5}),
            Ok(("/temperature", Value::Null)),
        ),
        chat(
            "oneSamplingParameter",
            "oneSamplingParameter: true",
            claude,
            json!({"temperature": 0.5, "top_p": 0.5}),
            Ok(("/top_p", Value::Null)),
        ),
        chat(
            "thinking",
            "thinking: Never",
            claude,
            json!({"reasoning_effort": "high"}),
            Ok(("/thinking", Value::Null)),
        ),
        Case {
            name: "thinkingAlways",
            given: "thinkingAlways: true",
            beside: "thinking: Effort",
            provider: claude,
            path: CHAT,
            asked: json!({"reasoning_effort": "none"}),
            then: Ok(("/output_config/effort", json!("low"))),
        },
        Case {
            name: "efforts",
            given: "efforts: [low]",
            beside: "",
            provider: "mistral",
            path: RESPONSES,
            asked: json!({"reasoning": {"effort": "high"}}),
            then: Ok(("/reasoning_effort", json!("low"))),
        },
        chat(
            "refusesImages",
            "refusesImages: true",
            claude,
            json!({"messages": picture}),
            Err("messages[0].content[0].image_url"),
        ),
        chat("refusesTools", "refusesTools: true", claude, json!({"tools": tool()}), Err("tools")),
        chat(
            "refusesForcedTools",
            "refusesForcedTools: true",
            claude,
            json!({"tools": tool(), "tool_choice": "required"}),
            Ok(("/tool_choice/type", json!("auto"))),
        ),
        Case {
            name: "toolsNeedResponses",
            given: "toolsNeedResponses: true",
            beside: "",
            provider: "mistral",
            path: MESSAGES,
            asked: json!({"max_tokens": 9000, "tools": of_messages,
                "thinking": {"type": "enabled", "budget_tokens": 4096}}),
            then: Ok(("/reasoning_effort", json!("none"))),
        },
        chat(
            "lacksJsonSchema",
            "lacksJsonSchema: true",
            claude,
            json!({"response_format": schema()}),
            Ok(("/output_config", Value::Null)),
        ),
        chat(
            "refusesFormatWithTools",
            "refusesFormatWithTools: true",
            "gemini",
            json!({"response_format": schema(), "tools": tool()}),
            Err("response_format"),
        ),
        chat(
            "schemaSubset",
            "schemaSubset: true",
            "gemini",
            json!({"tools": tool()}),
            Ok(("/tools/0/functionDeclarations/0/parametersJsonSchema", Value::Null)),
        ),
        chat(
            "refusesPrefill",
            "refusesPrefill: true",
            claude,
            json!({"messages": prefill}),
            Err("messages"),
        ),
        chat(
            "refusesStop",
            "refusesStop: true",
            claude,
            json!({"stop": ["x"]}),
            Ok(("/stop_sequences", Value::Null)),
        ),
        chat(
            "systemTurns",
            "systemTurns: true",
            claude,
            json!({"messages": midway}),
            Ok(("/messages/1/role", json!("system"))),
        ),
        Case {
            name: "mediaInResults",
            given: "mediaInResults: true",
            beside: "",
            provider: "gemini",
            path: MESSAGES,
            asked: json!({"max_tokens": 9, "messages": of_result, "tools": of_messages}),
            then: Ok(("/contents/2/parts/0/functionResponse/parts/0/inlineData/data", json!(PNG))),
        },
        chat(
            "refusesCallIds",
            "refusesCallIds: true",
            "gemini",
            json!({"messages": called(), "tools": tool()}),
            Ok(("/contents/1/parts/0/functionCall/id", Value::Null)),
        ),
        chat(
            "wantsCallSignatures",
            "wantsCallSignatures: true",
            "gemini",
            json!({"messages": called(), "tools": tool()}),
            Ok(("/contents/1/parts/0/thoughtSignature", json!("skip_thought_signature_validator"))),
        ),
    ]
}

fn flavor(provider: &str) -> Flavor {
    match provider {
        "gemini" => Flavor::Gemini,
        "anthropic-compatible" => Flavor::Anthropic,
        _ => Flavor::OpenAi,
    }
}

#[tokio::test]
async fn each_fact_changes_what_is_sent_or_refused() {
    let mut wrong = Vec::new();
    for Case { name, given, beside, provider, path, asked, then } in cases() {
        let mut body = json!({"model": "chat"});
        match path {
            RESPONSES => body["input"] = json!("hello"),
            _ => body["messages"] = json!([{"role": "user", "content": "hello"}]),
        }
        for (member, value) in asked.as_object().unwrap() {
            body[member] = value.clone();
        }
        let both = [given, beside].join(", ");
        let both = both.trim_end_matches([' ', ',']);
        let without = ask(provider, flavor(provider), beside, path, &body).await;
        let with = ask(provider, flavor(provider), both, path, &body).await;
        let Outcome::Sent(without) = without else {
            wrong.push(format!("{name}: is refused without the fact"));
            continue;
        };
        match (then, with) {
            (Ok((place, value)), Outcome::Sent(with)) => {
                let at = |sent: &Value| sent.pointer(place).cloned().unwrap_or_default();
                if at(&with) != value || at(&without) == value {
                    wrong.push(format!("{name}: {place}\nwithout {without}\nwith    {with}"));
                }
            }
            (Err(field), Outcome::Refused(answer)) => {
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}: {answer:?}");
                assert_eq!(answer.json()["error"]["param"], field, "{name}: {answer:?}");
            }
            (_, Outcome::Sent(with)) => wrong.push(format!("{name}: is sent: {with}")),
            (_, Outcome::Refused(answer)) => wrong.push(format!("{name}: is refused: {answer:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_fact_of_the_schema_is_without_a_case() {
    let strategies: Vec<&str> = balance::registry::names().collect();
    let crds = serde_json::to_value(pilothouse::api::crds(&strategies)).unwrap();
    let routes =
        crds.as_array().unwrap().iter().find(|crd| crd["spec"]["names"]["kind"] == "ModelRoute");
    let place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/targets/items\
                 /properties/capabilities/properties";
    let facts: BTreeSet<&str> = routes
        .unwrap()
        .pointer(place)
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let cases = cases();
    assert_eq!(facts, cases.iter().map(|case| case.name).collect());
}

#[tokio::test]
async fn a_lenient_target_is_asked_without_what_its_model_does_not_take() {
    let alpha =
        Simulator::builder().provider(Flavor::Anthropic).name("alpha").start().await.unwrap();
    let target = format!(
        "{{name: alpha, provider: anthropic-compatible, model: m, baseURL: \"{}\", \
         compatibility: Lenient, capabilities: {{refusesImages: true, refusesTools: true}}}}",
        alpha.url()
    );
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    let content = json!([{"type": "text", "text": "hello"}, {"type": "image_url",
        "image_url": {"url": format!("data:image/png;base64,{PNG}")}}]);
    let body = json!({"model": "chat", "tools": tool(), "messages": [{"role": "user", "content": content}]});
    let answer = rig.post(CHAT, body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let warnings = answer.header("x-pilothouse-warnings");
    assert!(warnings.contains("param=tools") && warnings.contains("image_url"), "{warnings}");
    let sent = String::from_utf8(alpha.requests()[0].body.to_vec()).unwrap();
    assert!(!sent.contains("tools") && !sent.contains("image"), "{sent}");
}

#[tokio::test]
async fn what_is_too_long_for_one_target_is_asked_of_the_next() {
    let small = Simulator::builder().provider(Flavor::Anthropic).name("s").start().await.unwrap();
    let large = Simulator::builder().provider(Flavor::Anthropic).name("l").start().await.unwrap();
    let line = |name: &str, url: &str, rest: &str| {
        format!(
            "{{name: {name}, provider: anthropic-compatible, model: m, baseURL: \"{url}\", {rest}}}"
        )
    };
    let targets = [
        line("small", &small.url(), "priority: 0, capabilities: {contextTokens: 50}"),
        line("large", &large.url(), "priority: 1, capabilities: {contextTokens: 5000}"),
    ];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    let body =
        json!({"model": "chat", "messages": [{"role": "user", "content": "hello ".repeat(200)}]});
    let answer = rig.post(CHAT, body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!((small.count(), large.count()), (0, 1));
}
