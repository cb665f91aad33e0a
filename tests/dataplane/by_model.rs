//! What depends on the model and the vendor that are asked: other APIs, other ways to go on.

use http::StatusCode;
use pilothouse::simulate::{Flavor, Simulator};
use serde_json::{Value, json};

use crate::routes::{route_of, simulator};
use crate::scripted::Scripted;
use crate::support::Rig;

async fn rig(provider: &str, model: &str, base: &str) -> Rig {
    let target =
        format!("{{name: alpha, provider: {provider}, model: {model}, baseURL: \"{base}\"}}");
    Rig::start(&route_of("chat", &[target], "")).await
}

/// A request of Anthropic's API.
fn messages(members: &Value) -> String {
    let mut body = json!({"model": "chat", "max_tokens": 9000,
        "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

/// One that ends with words of the model.
fn prefilled(stream: bool) -> String {
    messages(&json!({"stream": stream, "messages": [
        {"role": "user", "content": "hello"}, {"role": "assistant", "content": "Well,"}]}))
}

#[tokio::test]
async fn a_model_that_does_not_think_in_chats_with_functions_is_asked_by_responses() {
    let alpha = simulator("alpha").await;
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let rig = rig("openai", "gpt-5.6", &format!("{}/v1", alpha.url())).await;
    for (members, path) in [
        (json!({"tools": tools}), "/v1/responses"),
        (json!({"tools": tools, "thinking": {"type": "disabled"}}), "/v1/chat/completions"),
        (json!({}), "/v1/chat/completions"),
    ] {
        for stream in [false, true] {
            let mut members = members.clone();
            members["stream"] = stream.into();
            let answer = rig.post("/v1/messages", messages(&members)).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert!(!answer.headers.contains_key("x-pilothouse-warnings"), "{answer:?}");
            let ended = if stream { "message_stop" } else { "Served by alpha." };
            assert!(answer.text().contains(ended), "{answer:?}");
            assert_eq!(alpha.requests().last().unwrap().path(), path, "{members}");
        }
    }
}

#[tokio::test]
async fn servers_of_vllms_kind_are_told_to_go_on_with_the_last_message() {
    let alpha = simulator("alpha").await;
    for provider in ["vllm", "sglang"] {
        let rig = rig(provider, "m", &format!("{}/v1", alpha.url())).await;
        rig.post("/v1/messages", prefilled(false)).await;
        let sent = alpha.requests().last().unwrap().json();
        assert_eq!(sent["continue_final_message"], true, "{sent}");
        assert_eq!(sent["add_generation_prompt"], false, "{sent}");
        assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": "Well,"}));
        rig.post("/v1/messages", messages(&json!({}))).await;
        let sent = alpha.requests().last().unwrap().json();
        assert_eq!(sent.get("continue_final_message"), None, "{sent}");
    }
}

#[tokio::test]
async fn what_mistral_repeats_of_a_prefix_is_not_shown_twice() {
    let marked = "\"prefix\":true";
    let reply = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Well, hi"}}]})
    .to_string();
    let plain = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{reply}",
        reply.len()
    );
    let unmarked = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let upstream = Scripted::refusing(marked, &plain, unmarked).await;
    let rig = rig("mistral", "m", &format!("{}/v1", upstream.origin)).await;
    let answer = rig.post("/v1/messages", prefilled(false)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["content"], json!([{"type": "text", "text": " hi"}]), "{answer:?}");
}

#[tokio::test]
async fn what_mistral_repeats_of_a_prefix_is_not_shown_twice_in_a_stream() {
    let chunk = |delta: &Value, finish: &Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        format!("data: {}\n\n", json!({"id": "c", "model": "m", "choices": [choice]}))
    };
    for (pieces, shown) in [
        (["We", "ll", ", hi"], " hi"),
        (["Well,", " h", "i"], " hi"),
        ([" h", "i", "!"], " hi!"),
        (["W", "e", " hi"], "We hi"),
        (["W", "e", "l"], "Wel"),
    ] {
        let events: String = pieces
            .iter()
            .map(|piece| chunk(&json!({"content": piece}), &Value::Null))
            .chain([chunk(&json!({}), &json!("stop")), "data: [DONE]\n\n".into()])
            .collect();
        let upstream = Scripted::events(&events, usize::MAX, crate::scripted::Then::Close).await;
        let rig = rig("mistral", "m", &format!("{}/v1", upstream.origin)).await;
        let answer = rig.post("/v1/messages", prefilled(true)).await;
        let text: String = answer
            .events()
            .iter()
            .filter_map(|event| serde_json::from_str::<Value>(event).ok())
            .filter_map(|event| event["delta"]["text"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(text, shown, "{pieces:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_client_of_messages_that_switches_thinking_on_sees_what_gemini_thinks() {
    let alpha = Simulator::builder().provider(Flavor::Gemini).name("alpha").start().await.unwrap();
    let rig = rig("gemini", "gemini-2.5-pro", &format!("{}/v1beta", alpha.url())).await;
    for (thinking, shown) in [
        (json!({"type": "enabled", "budget_tokens": 2000}), json!(true)),
        (json!({"type": "enabled", "budget_tokens": 2000, "display": "omitted"}), Value::Null),
        (json!({"type": "adaptive"}), Value::Null),
    ] {
        rig.post("/v1/messages", messages(&json!({"thinking": thinking}))).await;
        let sent = alpha.requests().last().unwrap().json();
        let config = &sent["generationConfig"]["thinkingConfig"];
        assert_eq!(config["includeThoughts"], shown, "{thinking}: {sent}");
    }
}

#[tokio::test]
async fn the_preview_of_googles_api_is_served_like_its_beta() {
    let alpha = Simulator::builder().provider(Flavor::Gemini).name("alpha").start().await.unwrap();
    let rig = rig("gemini", "m", &format!("{}/v1beta", alpha.url())).await;
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}).to_string();
    let answer = rig.post("/v1alpha/models/chat:generateContent", body.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(alpha.requests()[0].path(), "/v1beta/models/m:generateContent");
    let list = rig.get("/v1alpha/models").await.json();
    assert_eq!(list["models"][0]["name"], "models/chat", "{list}");
    let unknown = rig.post("/v1alpha/models/other:generateContent", body).await;
    assert_eq!(unknown.json()["error"]["status"], "NOT_FOUND", "{unknown:?}");
}
