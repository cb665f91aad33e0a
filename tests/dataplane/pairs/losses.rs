//! What cannot cross is refused or told, never lost without a word.

use http::StatusCode;
use serde_json::{Value, json};

use super::cases::HELLO;
use super::chat::Chat;
use super::client::{Ask, Client, PICTURE, With};
use super::converse::Converse;
use super::gemini::Gemini;
use super::messages::Messages;
use super::responses::Responses;
use super::{Pair, UPSTREAMS, provider};

/// The pair of `client` and the upstream of that name.
async fn pair(client: &'static dyn Client, name: &str) -> Pair {
    let upstream = UPSTREAMS.iter().find(|upstream| upstream.name == name).unwrap();
    let (provider, rig) = provider(upstream).await;
    Pair { client, upstream, provider, rig }
}

/// The body of a hello with other members at its top.
fn hello(client: &dyn Client, members: &Value) -> Value {
    let mut body = client.body(&HELLO, "sound");
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn what_changes_the_meaning_is_refused_by_its_name() {
    let picture = json!([{"role": "user", "content": [{"type": "image_url",
        "image_url": {"url": "https://example.com/a.png"}}]}]);
    let of_google = json!([{"role": "user", "parts": [{"fileData":
        {"mimeType": "image/png", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}}]}]);
    let search = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    let file = json!([{"role": "user", "content": [{"type": "image", "source":
        {"type": "file", "file_id": "file_1"}}]}]);
    let guardrail = json!({"guardrailIdentifier": "g", "guardrailVersion": "1"});
    let cases: [(&'static dyn Client, &str, Value, &str); 9] = [
        (&Chat, "Anthropic", json!({"n": 2}), "n"),
        (&Chat, "Bedrock", json!({"logprobs": true}), "logprobs"),
        (&Chat, "Bedrock", json!({"messages": picture}), "messages[0].content[0].image_url"),
        (
            &Responses,
            "Anthropic",
            json!({"previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
        (&Responses, "Gemini", json!({"background": true}), "background"),
        (&Messages, "OpenAI", json!({"tools": search}), "tools[0]"),
        (&Messages, "Gemini", json!({"messages": file}), "messages[0].content[0]"),
        (&Gemini, "Anthropic", json!({"contents": of_google}), "contents[0].parts[0]"),
        (&Converse, "OpenAI", json!({"guardrailConfig": guardrail}), "guardrailConfig"),
    ];
    for (client, upstream, members, field) in cases {
        let pair = pair(client, upstream).await;
        let answer = pair.post("sound", false, &hello(client, &members)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{members}: {answer:?}");
        let message = client.error(&answer);
        assert!(message.contains(&format!("`{field}")), "{members}: {message}");
        assert_eq!(pair.provider.count(), 0, "the provider was not asked");
    }
}

#[tokio::test]
async fn what_is_lost_without_harm_is_told() {
    let search = json!([{"type": "web_search"}, {"type": "function", "name": "f"}]);
    let cases: [(&'static dyn Client, &str, Value, &str); 5] = [
        (&Chat, "Anthropic", json!({"seed": 7}), "code=dropped;param=seed"),
        (&Responses, "Bedrock", json!({"tools": search}), "code=dropped;param=tools[0].web_search"),
        (&Chat, "Bedrock", json!({"temperature": 1.5}), "code=adjusted;param=temperature"),
        (&Messages, "Gemini", json!({"inference_geo": "eu"}), "code=dropped;param=inference_geo"),
        (&Chat, "Anthropic", json!({"temperature": 0.5}), ""),
    ];
    for (client, upstream, members, warning) in cases {
        let pair = pair(client, upstream).await;
        let mut body = hello(client, &members);
        let plain = pair.post("sound", false, &body).await;
        body["stream"] = true.into();
        let stream = pair.post("sound", true, &body).await;
        for answer in [plain, stream] {
            assert_eq!(answer.status, StatusCode::OK, "{members}: {answer:?}");
            assert_eq!(answer.header("x-pilothouse-warnings"), warning, "{members}");
        }
    }
}

#[tokio::test]
async fn a_foreign_state_is_left_out_with_a_warning() {
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "signed-by-claude"});
    let messages = json!([{"role": "user", "content": "hello"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "hi"}]},
        {"role": "user", "content": "hello"}]);
    for upstream in ["OpenAI", "Gemini"] {
        let pair = pair(&Messages, upstream).await;
        let body = hello(&Messages, &json!({"messages": messages}));
        let answer = pair.post("sound", false, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(answer.header("x-pilothouse-warnings").contains("code=dropped"), "{answer:?}");
        assert!(!pair.asked().to_string().contains("signed-by-claude"));
    }
}

#[tokio::test]
async fn counts_are_exact_where_the_target_counts_and_else_say_that_they_are_estimated() {
    for upstream in &UPSTREAMS {
        let (_provider, rig) = provider(upstream).await;
        let ask = Ask::of("hello", With::Picture);
        let body = Messages.body(&ask, "sound").to_string();
        assert!(body.contains(PICTURE));
        let answer = rig.post("/v1/messages/count_tokens", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(answer.json()["input_tokens"].as_u64().unwrap() > 85, "{answer:?}");
        // OpenAI itself counts; servers that speak its API do not.
        let estimated = if upstream.name == "OpenAI" { "true" } else { "" };
        assert_eq!(answer.header("x-pilothouse-estimated"), estimated, "{}", upstream.name);
    }
}
