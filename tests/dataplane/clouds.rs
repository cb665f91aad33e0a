//! What goes through the doors of clouds: the bytes that they get, and what comes of their answers.

use http::{Method, StatusCode};
use pilothouse::simulate::{Captured, Flavor, Simulator};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::routes::{fault, route_of};
use crate::support::{FIRST_KEY, KEY, Rig};

const BEDROCK: &str = "provider: bedrock-anthropic, baseURL: ORIGIN, model: \"eu.claude-x-v1:0\"";
const VERTEX: &str = "provider: vertex-anthropic, \
     baseURL: ORIGIN/v1/projects/p/locations/us-east5, model: claude-x-20250929";
const DATED: &str = "provider: azure-openai, baseURL: ORIGIN, model: my-gpt, \
     azure: {apiVersion: \"2024-10-21\"}";

/// A gateway whose model `chat` is served through one door.
struct Cloud {
    simulator: Simulator,
    rig: Rig,
}

/// `target` has `ORIGIN` in the place of the simulator's.
async fn cloud(flavor: Flavor, target: &str) -> Cloud {
    let simulator = Simulator::builder().name("sim").provider(flavor).keys([FIRST_KEY]);
    let simulator = simulator.start().await.unwrap();
    let target = target.replace("ORIGIN", &simulator.url());
    let target = format!("{{name: sim, credentialRef: {{name: one}}, {target}}}");
    let extra = "  streaming: {onInterruption: Error}\n";
    let rig = Rig::start(&route_of("chat", &[target], extra)).await;
    Cloud { simulator, rig }
}

impl Cloud {
    async fn ask(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("x-api-key", KEY)], headers].concat();
        self.rig.send(Method::POST, path, &headers, body.to_owned()).await
    }

    /// A message with further members, answered rightly.
    async fn message(&self, headers: &[(&str, &str)], members: &str) -> Answer {
        let answer = self.ask("/v1/messages?beta=true", headers, &message(members)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer
    }

    /// The last request that the cloud got.
    fn asked(&self) -> Captured {
        self.simulator.requests().pop().unwrap()
    }
}

fn message(members: &str) -> String {
    format!(
        r#"{{"model": "chat",{members} "max_tokens": 100,"messages":[{{"role":"user","content":"hello"}}]}}"#
    )
}

fn chat(members: &str) -> String {
    format!(r#"{{"model":"chat",{members}"messages":[{{"role":"user","content":"hello"}}]}}"#)
}

/// Two streams or messages of different targets: what is not the target's own of each.
fn comparable(data: &[&str]) -> Vec<Value> {
    let each = data.iter().map(|data| {
        let mut event: Value = serde_json::from_str(data).unwrap();
        event.as_object_mut().unwrap().remove("amazon-bedrock-invocationMetrics");
        if let Some(message) = event.get_mut("message") {
            message["id"] = Value::Null;
            message["model"] = Value::Null;
        }
        event
    });
    each.collect()
}

/// What Anthropic itself streams.
async fn anthropics_own() -> Answer {
    let target = "provider: anthropic-compatible, baseURL: ORIGIN, model: m";
    cloud(Flavor::Anthropic, target).await.message(&[], r#""stream":true,"#).await
}

#[tokio::test]
async fn vector_27_vertex_gets_the_model_in_the_path_and_the_stream_in_the_body() {
    let cloud = cloud(Flavor::Vertex, VERTEX).await;
    let model = "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-x@20250929";
    for (members, method) in [("", "rawPredict"), (r#""stream":true,"#, "streamRawPredict")] {
        cloud.message(&[("anthropic-version", "2023-06-01")], members).await;
        let asked = cloud.asked();
        assert_eq!(asked.uri.to_string(), format!("{model}:{method}"), "without `?beta=true`");
        let version = r#","anthropic_version":"vertex-2023-10-16"}"#;
        let body = message(members).replace(r#""model": "chat","#, "");
        assert_eq!(asked.body, format!("{}{version}", body.strip_suffix('}').unwrap()));
        assert_eq!(asked.header("anthropic-version"), None);
        assert_eq!(asked.header("authorization"), Some(&*format!("Bearer {FIRST_KEY}")));
        let translated = cloud.ask("/v1/chat/completions", &[], &chat(members)).await;
        assert_eq!(translated.status, StatusCode::OK, "{translated:?}");
        assert_eq!(cloud.asked().uri, asked.uri);
    }
}

#[tokio::test]
async fn vector_95_what_bedrocks_invoke_streams_is_a_stream_of_anthropics() {
    let cloud = cloud(Flavor::Bedrock, BEDROCK).await;
    let answer = cloud.message(&[], r#""stream":true,"#).await;
    let own = anthropics_own().await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(comparable(&answer.events()), comparable(&own.events()));
    let names = |answer: &Answer| -> Vec<String> {
        let lines = answer.text().lines().filter(|line| line.starts_with("event: "));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(names(&answer), names(&own));
    let asked = cloud.asked();
    assert_eq!(asked.uri, "/model/eu.claude-x-v1%3A0/invoke-with-response-stream");
    assert_eq!(
        asked.body,
        r#"{ "max_tokens": 100,"messages":[{"role":"user","content":"hello"}],"anthropic_version":"bedrock-2023-05-31"}"#
    );
    assert_eq!(asked.header("accept"), Some("application/vnd.amazon.eventstream"));
    let counted = &cloud.rig.log_lines(1).await[0];
    assert!(counted["input_tokens"].as_u64().unwrap() < 100, "not Bedrock's metrics: {counted}");
}

#[tokio::test]
async fn invoke_answers_plainly_and_translated_too() {
    let cloud = cloud(Flavor::Bedrock, BEDROCK).await;
    let plain = cloud.message(&[], "").await;
    assert_eq!(plain.json()["stop_reason"], "end_turn");
    assert_eq!(cloud.asked().path(), "/model/eu.claude-x-v1%3A0/invoke");
    for stream in ["", r#""stream":true,"#] {
        let answer = cloud.ask("/v1/chat/completions", &[], &chat(stream)).await;
        assert!(answer.text().contains("hello"), "{answer:?}");
        let asked = cloud.asked().json();
        assert_eq!((asked.get("model"), asked.get("stream")), (None, None));
        assert_eq!(asked["anthropic_version"], "bedrock-2023-05-31");
    }
}

#[tokio::test]
async fn only_betas_that_a_cloud_knows_reach_it() {
    let given = [
        ("anthropic-beta", "context-1m-2025-08-07, unknown-x"),
        ("anthropic-beta", "advanced-tool-use-2025-11-20"),
    ];
    let known = ["context-1m-2025-08-07", "tool-search-tool-2025-10-19"];
    let bedrock = cloud(Flavor::Bedrock, BEDROCK).await;
    let answer = bedrock.message(&given, "").await;
    assert_eq!(answer.header("x-pilothouse-warnings"), "code=dropped;param=anthropic-beta");
    assert_eq!(bedrock.asked().json()["anthropic_beta"], json!(known));
    assert_eq!(bedrock.asked().header("anthropic-beta"), None);
    let streamed = bedrock.message(&given, r#""stream":true,"#).await;
    assert_eq!(streamed.header("x-pilothouse-warnings"), "code=dropped;param=anthropic-beta");
    let all_known = bedrock.message(&[("anthropic-beta", known[0])], "").await;
    assert_eq!(all_known.header("x-pilothouse-warnings"), "");

    let vertex = cloud(Flavor::Vertex, VERTEX).await;
    vertex.message(&given, "").await;
    assert_eq!(vertex.asked().header("anthropic-beta"), Some(&*known.join(",")));
    assert_eq!(vertex.asked().json().get("anthropic_beta"), None);
    vertex.message(&[("anthropic-beta", "unknown-x")], "").await;
    assert_eq!(vertex.asked().header("anthropic-beta"), None);

    let strict = format!("{BEDROCK}, compatibility: Strict");
    let strict = cloud(Flavor::Bedrock, &strict).await;
    let refused = strict.ask("/v1/messages", &given, &message("")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("anthropic-beta"), "{refused:?}");
}

#[tokio::test]
async fn what_a_cloud_refuses_is_left_out_and_told() {
    let cloud = cloud(Flavor::Bedrock, BEDROCK).await;
    let edits = r#""context_management": {"edits": []},"#;
    let answer = cloud.message(&[], &format!(r#"{edits}"speed":"fast","#)).await;
    let told = "code=dropped;param=context_management, code=dropped;param=speed";
    assert_eq!(answer.header("x-pilothouse-warnings"), told);
    let beta = [("anthropic-beta", "context-management-2025-06-27")];
    let answer = cloud.message(&beta, edits).await;
    assert_eq!(answer.header("x-pilothouse-warnings"), "", "the beta opens it");
    assert_eq!(cloud.asked().json()["context_management"], json!({"edits": []}));

    let system = r#""system":[{"type":"text", "text":"scope","cache_control":{"type":"ephemeral", "scope":"global"}}],"#;
    let answer = cloud.message(&[], system).await;
    assert_eq!(answer.header("x-pilothouse-warnings"), "", "the mark itself is there");
    let kept =
        r#""system":[{"type":"text", "text":"scope","cache_control":{"type":"ephemeral"}}],"#;
    assert!(String::from_utf8_lossy(&cloud.asked().body).contains(kept));
}

#[tokio::test]
async fn the_old_way_to_ask_for_a_format_becomes_the_one_that_clouds_take() {
    let cloud = cloud(Flavor::Bedrock, BEDROCK).await;
    let schema = r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}"#;
    let format = format!(r#""output_format":{{"type":"json_schema","schema":{schema}}},"#);
    let answer = cloud.message(&[], &format).await;
    assert_eq!(answer.json()["content"][0]["text"], r#"{"a":1}"#);
    let asked = cloud.asked().json();
    assert_eq!(asked["output_config"]["format"]["type"], "json_schema");
    assert_eq!(asked.get("output_format"), None);
}

#[tokio::test]
async fn tokens_are_counted_by_vertex_and_by_bedrocks_counterpart_in_converse() {
    let body = r#"{"model":"chat","messages":[{"role":"user","content":"hello"}]}"#;
    let vertex = cloud(Flavor::Vertex, VERTEX).await;
    let counted = vertex.ask("/v1/messages/count_tokens?beta=true", &[], body).await;
    assert!(counted.json()["input_tokens"].as_u64().unwrap() > 0, "{counted:?}");
    assert_eq!(counted.header("x-pilothouse-estimated"), "");
    let asked = vertex.asked();
    assert!(
        asked.uri.to_string().ends_with("/publishers/anthropic/models/count-tokens:rawPredict")
    );
    assert_eq!(asked.json()["model"], "claude-x@20250929");
    let bedrock = cloud(Flavor::Bedrock, BEDROCK).await;
    let counted = bedrock.ask("/v1/messages/count_tokens", &[], body).await;
    assert!(counted.json()["input_tokens"].as_u64().unwrap() > 0, "{counted:?}");
    assert_eq!(counted.header("x-pilothouse-estimated"), "");
    assert_eq!(bedrock.asked().path(), "/model/claude-x-v1%3A0/count-tokens");
}

#[tokio::test]
async fn azures_dated_form_has_the_deployment_in_the_path_and_the_version_in_the_query() {
    let cloud = cloud(Flavor::Azure, DATED).await;
    let hello = r#"{"model":"chat","input":"hello"}"#;
    for (path, body, asked) in [
        ("/v1/chat/completions", &*chat(""), "/openai/deployments/my-gpt/chat/completions"),
        (
            "/v1/chat/completions",
            &chat(r#""stream":true,"#),
            "/openai/deployments/my-gpt/chat/completions",
        ),
        (
            "/v1/completions",
            r#"{"model":"chat","prompt":"hello"}"#,
            "/openai/deployments/my-gpt/completions",
        ),
        ("/v1/embeddings", hello, "/openai/deployments/my-gpt/embeddings"),
        ("/v1/responses", hello, "/openai/responses"),
        ("/v1/messages", &message(""), "/openai/deployments/my-gpt/chat/completions"),
    ] {
        let query = if path == "/v1/messages" { "?beta=true" } else { "?api-version=2020-01-01" };
        let answer = cloud.ask(&format!("{path}{query}"), &[], body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        let got = cloud.asked();
        assert_eq!(got.uri.to_string(), format!("{asked}?api-version=2024-10-21"));
        assert_eq!(got.json()["model"], "my-gpt");
        assert_eq!(got.header("api-key"), Some(FIRST_KEY));
    }
}

#[tokio::test]
async fn googles_doors_spell_models_in_their_own_way() {
    let vertex = "provider: vertex-openai, \
         baseURL: ORIGIN/v1/projects/p/locations/global/endpoints/openapi, model: gemini-x";
    let openai = cloud(Flavor::Vertex, vertex).await;
    let answer = openai.ask("/v1/chat/completions", &[], &chat("")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(openai.asked().json()["model"], "google/gemini-x");

    let unnamed = VERTEX.replace(", model: claude-x-20250929", "");
    let simulator = cloud(Flavor::Vertex, &unnamed).await;
    let url = simulator.simulator.url();
    let target =
        format!("{{name: sim, credentialRef: {{name: one}}, {}}}", unnamed.replace("ORIGIN", &url));
    simulator.rig.publish(&route_of("claude-y-20250929", &[target], ""));
    let body = message("").replace("chat", "claude-y-20250929");
    simulator.ask("/v1/messages", &[], &body).await;
    assert!(simulator.asked().path().ends_with("/claude-y@20250929:rawPredict"));

    let gemini =
        "provider: vertex, baseURL: ORIGIN/v1/projects/p/locations/global, model: gemini-x";
    let gemini = cloud(Flavor::Vertex, gemini).await;
    let path = "/v1beta/models/chat:streamGenerateContent?alt=sse";
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}"#;
    let answer = gemini.ask(path, &[], body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let asked = gemini.asked();
    let models = "/v1/projects/p/locations/global/publishers/google/models";
    assert_eq!(asked.uri, *format!("{models}/gemini-x:streamGenerateContent?alt=sse"));
    assert_eq!(asked.body, body);
}

#[tokio::test]
async fn errors_of_a_cloud_have_the_shape_of_the_clients_api() {
    let bedrock = cloud(Flavor::Bedrock, BEDROCK).await;
    bedrock.simulator.set_fault(fault("status=400;message=this-is-odd"));
    for stream in ["", r#""stream":true,"#] {
        let answer = bedrock.ask("/v1/messages", &[], &message(stream)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let error = &answer.json()["error"];
        assert_eq!(*error, json!({"type": "invalid_request_error", "message": "this-is-odd"}));
        assert_eq!(answer.header("x-amzn-errortype"), "");
    }
    let vertex = "provider: vertex-openai, \
         baseURL: ORIGIN/v1/projects/p/locations/global/endpoints/openapi, model: gemini-x";
    let vertex = cloud(Flavor::Vertex, vertex).await;
    vertex.simulator.set_fault(fault("status=400;message=this-is-odd"));
    let answer = vertex.ask("/v1/chat/completions", &[], &chat("")).await;
    assert_eq!(answer.json()["error"]["message"], "this-is-odd", "Google sends a list: {answer:?}");
}

#[tokio::test]
async fn what_breaks_in_a_stream_of_invoke_is_never_shown_as_whole() {
    let cloud = cloud(Flavor::Bedrock, BEDROCK).await;
    for broken in ["cut=6", "cut=6:end", "error=6"] {
        cloud.simulator.set_fault(fault(broken));
        let answer = cloud.ask("/v1/messages", &[], &message(r#""stream":true,"#)).await;
        assert_eq!(answer.status, StatusCode::OK, "{broken}");
        let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
        assert_eq!(last["type"], "error", "{broken}: {}", answer.text());
        assert!(!answer.text().contains("message_stop"), "{broken}");
    }
    // One event that cannot be read is left out of a text.
    cloud.simulator.set_fault(fault("garbage=6"));
    let answer = cloud.ask("/v1/messages", &[], &message(r#""stream":true,"#)).await;
    let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
    assert_eq!(last["type"], "message_stop", "{}", answer.text());
}

#[tokio::test]
async fn a_key_that_amazon_refuses_rests_and_a_model_that_it_lacks_is_told() {
    for provider in ["bedrock", "bedrock-anthropic"] {
        let target = format!("provider: {provider}, baseURL: ORIGIN, model: m");
        for (refusal, told) in [
            ("status=403;type=AccessDeniedException", "the gateway's credential was refused"),
            ("status=404;type=ResourceNotFoundException", "status 404 (ResourceNotFoundException)"),
        ] {
            let cloud = cloud(Flavor::Bedrock, &target).await;
            cloud.simulator.set_fault(fault(refusal));
            let answer = cloud.ask("/v1/messages", &[], &message("")).await;
            assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{provider}: {answer:?}");
            assert!(answer.text().contains(told), "{provider}: {answer:?}");
            assert_eq!(answer.header("x-should-retry"), "false", "{provider}: {answer:?}");
        }
    }
}
