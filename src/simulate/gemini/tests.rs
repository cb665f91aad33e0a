use serde_json::{Value, json};

use crate::simulate::{
    Simulator,
    tests::client::{Event, Got, get_with, post, post_with},
};

mod embeddings;
mod strictness;
mod translated;

const V1BETA: &str = "/v1beta/models/";
const VERTEX: &str = "/v1/projects/p/locations/global/publishers/google/models/";

async fn ask(path: &str, body: &Value) -> Got {
    let simulator = Simulator::builder().name("alpha").start().await.expect("a free port");
    post(&simulator, path, body).await
}

/// A request that says `hello`, with changes.
fn hello(changes: &Value) -> Value {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    for (name, value) in changes.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

async fn generate(model: &str, changes: Value) -> Got {
    ask(&format!("{V1BETA}{model}:generateContent"), &hello(&changes)).await
}

async fn stream(model: &str, changes: Value) -> Vec<Event> {
    let path = format!("{V1BETA}{model}:streamGenerateContent?alt=sse");
    let got = ask(&path, &hello(&changes)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    got.events()
}

fn parts(answer: &Value) -> &Vec<Value> {
    answer["candidates"][0]["content"]["parts"].as_array().expect("parts")
}

/// All text of a stream, thoughts or answer.
fn joined(events: &[Event], thought: bool) -> String {
    let texts = events.iter().flat_map(|event| parts(&event.json()).clone());
    let wanted = texts.filter(|part| (part["thought"] == true) == thought);
    wanted.filter_map(|part| Some(part["text"].as_str()?.to_owned())).collect()
}

fn look() -> Value {
    json!([{"functionDeclarations": [{"name": "look", "parameters":
        {"type": "OBJECT", "properties": {"at": {"type": "STRING"}}}}]}])
}

#[tokio::test]
async fn a_text_is_the_same_in_both_ways() {
    let plain = generate("gemini-sim", json!({})).await.json();
    let candidate = &plain["candidates"][0];
    assert_eq!(
        (&candidate["finishReason"], &candidate["content"]["role"]),
        (&json!("STOP"), &json!("model"))
    );
    assert_eq!(plain["modelVersion"], "gemini-sim");
    let events = stream("gemini-sim", json!({})).await;
    assert!(events.iter().all(|event| event.name.is_none()));
    assert_eq!(json!(joined(&events, false)), parts(&plain)[0]["text"]);
    let last = events.last().expect("an event").json();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"], plain["usageMetadata"]);
    let early = |event: &Event| event.json()["candidates"][0]["finishReason"].is_null();
    assert!(events[..events.len() - 1].iter().all(early));
    let counts: Vec<u64> = events
        .iter()
        .filter_map(|event| event.json()["usageMetadata"]["candidatesTokenCount"].as_u64())
        .collect();
    assert!(counts.is_sorted() && counts.len() == events.len(), "{counts:?}");
}

#[tokio::test]
async fn a_stream_without_sse_is_one_array() {
    let path = format!("{V1BETA}gemini-sim:streamGenerateContent");
    let got = ask(&path, &hello(&json!({}))).await;
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(got.json().as_array().is_some_and(|chunks| chunks.len() > 3));
}

#[tokio::test]
async fn functions_are_called_whole_and_signed_by_gemini_3() {
    let forced = json!({"tools": look(),
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}});
    let new = generate("gemini-3-sim", forced.clone()).await.json();
    let call = &parts(&new)[0]["functionCall"];
    assert_eq!((&call["name"], &call["args"]), (&json!("look"), &json!({"at": "example"})));
    assert!(call["id"].is_string() && parts(&new)[0]["thoughtSignature"].is_string());
    let old = generate("gemini-2.5-sim", forced.clone()).await.json();
    assert!(parts(&old)[0]["functionCall"]["id"].is_null());
    assert!(parts(&old)[0]["thoughtSignature"].is_null());
    let events = stream("gemini-3-sim", forced).await;
    assert_eq!(parts(&events[0].json())[0], parts(&new)[0]);
}

#[tokio::test]
async fn a_result_is_answered_with_text() {
    let contents = json!([
        {"role": "user", "parts": [{"text": "use a tool"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "look", "response": {"output": "sunny"}}}]}]);
    let got = generate("gemini-sim", json!({"contents": contents, "tools": look()})).await.json();
    let text = parts(&got)[0]["text"].as_str().expect("text");
    assert!(text.starts_with("The tools returned: \"sunny\"."), "{text}");
}

#[tokio::test]
async fn thoughts_are_counted_and_shown_if_asked_for() {
    let config =
        |shown| json!({"generationConfig": {"thinkingConfig": {"includeThoughts": shown}}});
    let shown = generate("gemini-sim", config(true)).await.json();
    let hidden = generate("gemini-sim", config(false)).await.json();
    assert_eq!((parts(&shown).len(), parts(&hidden).len()), (2, 1));
    assert_eq!(shown["usageMetadata"], hidden["usageMetadata"]);
    let usage = &shown["usageMetadata"];
    let count = |name: &str| usage[name].as_u64().expect("a count");
    assert!(count("thoughtsTokenCount") > 0);
    let sum = ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"].map(count);
    assert_eq!(count("totalTokenCount"), sum.iter().sum::<u64>());
    let events = stream("gemini-sim", config(true)).await;
    assert_eq!(json!(joined(&events, true)), parts(&shown)[0]["text"]);
}

#[tokio::test]
async fn settings_are_heeded() {
    let config = |config: Value| json!({"generation_config": config});
    let short = generate("gemini-sim", config(json!({"max_output_tokens": 3}))).await.json();
    assert_eq!(short["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(short["usageMetadata"]["candidatesTokenCount"], 3);
    let two = generate("gemini-sim", config(json!({"candidateCount": 2}))).await.json();
    assert_eq!(two["candidates"][1]["index"], 1);
    let schema = json!({"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}});
    let format = json!({"responseMimeType": "application/json", "responseSchema": schema});
    let made = generate("gemini-sim", config(format)).await.json();
    assert_eq!(parts(&made)[0]["text"], r#"{"n":1}"#);
}

#[tokio::test]
async fn tokens_are_counted_as_an_answer_would_bill_them() {
    let body = hello(&json!({"systemInstruction": {"parts": [{"text": "be brief"}]}}));
    let counted = json!({"totalTokens": 2 + 1 + 4});
    let outside = ask("/v1beta/models/m:countTokens", &body).await;
    assert_eq!(outside.status, 400, "the Gemini API takes instructions in a whole request alone");
    let mut wrapped = json!({"generateContentRequest": body});
    let unnamed = ask("/v1beta/models/m:countTokens", &wrapped).await;
    assert_eq!(unnamed.status, 400, "{}", unnamed.text());
    wrapped["generateContentRequest"]["model"] = "models/m".into();
    assert_eq!(ask("/v1beta/models/m:countTokens", &wrapped).await.json(), counted);
    let vertex = "/v1/projects/p/locations/l/publishers/google/models/m:countTokens";
    assert_eq!(ask(vertex, &body).await.json(), counted);
}

#[tokio::test]
async fn faults_come_by_model_and_header_in_googles_shape() {
    let got = generate("gemini-sim;status=429", json!({})).await;
    assert_eq!(got.status, 429);
    let error = &got.json()["error"];
    assert_eq!((&error["code"], &error["status"]), (&json!(429), &json!("RESOURCE_EXHAUSTED")));
    let events = stream("gemini-sim;error=2", json!({})).await;
    assert_eq!(events.len(), 3);
    assert_eq!(events[2].json()["error"]["status"], "INTERNAL");
    let healthy = stream("gemini-sim", json!({})).await;
    let cut = stream("gemini-sim;no-end", json!({})).await;
    assert_eq!(cut.len() + 1, healthy.len());
    let huge = stream("gemini-sim;huge=2000", json!({})).await;
    assert!(huge[1].data.len() > 2000 && huge.len() == healthy.len() + 1);
}

#[tokio::test]
async fn keys_come_in_a_header_or_in_the_query() {
    let simulator = Simulator::builder().keys(["right"]).start().await.expect("a free port");
    let ask = async |query: &str, headers: &[(&str, &str)]| {
        let path = format!("{V1BETA}m:generateContent{query}");
        post_with(&simulator, &path, &hello(&json!({})), headers).await
    };
    assert_eq!(ask("", &[("x-goog-api-key", "right")]).await.status, 200);
    assert_eq!(ask("", &[("authorization", "Bearer right")]).await.status, 200);
    assert_eq!(ask("?key=right", &[]).await.status, 200);
    let wrong = ask("", &[("x-goog-api-key", "wrong")]).await;
    let reason = &wrong.json()["error"]["details"][0]["reason"];
    assert_eq!((wrong.status, reason), (400, &json!("API_KEY_INVALID")));
    assert_eq!(ask("", &[("authorization", "Bearer wrong")]).await.status, 401);
    assert_eq!(ask("", &[]).await.status, 403);
    let shown = format!("{:?} {simulator:?}", simulator.requests());
    assert!(!shown.contains("right") && !shown.contains("wrong"), "{shown}");
}

#[tokio::test]
async fn models_are_paged() {
    let simulator =
        Simulator::builder().models(["a", "b", "c"]).start().await.expect("a free port");
    let get = async |path: &str| get_with(&simulator, path, &[]).await;
    let first = get("/v1beta/models?pageSize=2").await.json();
    assert_eq!(first["models"][1]["name"], "models/b");
    let token = first["nextPageToken"].as_str().expect("more");
    let rest = get(&format!("/v1beta/models?pageSize=2&pageToken={token}")).await.json();
    assert_eq!(
        (rest["models"].as_array().map(Vec::len), &rest["nextPageToken"]),
        (Some(1), &Value::Null)
    );
    assert_eq!(get("/v1beta/models/c").await.json()["displayName"], "c");
    let missing = get("/v1beta/models/d").await;
    assert_eq!((missing.status, &missing.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
}
