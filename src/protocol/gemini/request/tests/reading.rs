//! A client's requests.

use proptest::prelude::*;

use super::*;
use crate::protocol::neutral::{Effort, Format, ToolChoice};

fn beyond(request: &Request) -> Vec<(&str, bool)> {
    request.beyond.iter().map(|one| (one.field.as_str(), one.essential)).collect()
}

#[test]
fn both_spellings_and_single_elements_are_read() {
    let request = read(&json!({
        "system_instruction": {"parts": {"text": "S"}},
        "contents": {"parts": {"text": "hi"}},
        "generation_config": {"max_output_tokens": "10", "top_k": 4.0, "stop_sequences": ["x"],
            "thinking_config": {"thinking_level": "LOW", "include_thoughts": true}},
        "tool_config": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        "service_tier": "STANDARD", "labels": {"my_team": "a"}, "store": false,
    }))
    .expect("a request");
    assert_eq!(request.system, [system("S")]);
    assert_eq!(request.turns[0].role, Role::User);
    assert_eq!((request.max_output_tokens, request.top_k), (Some(10), Some(4)));
    let reasoning = request.reasoning.as_ref().expect("reasoning");
    assert_eq!((reasoning.effort, reasoning.visible), (Some(Effort::Low), Some(true)));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(request.service_tier.as_deref(), Some("default"));
    assert_eq!(request.metadata.get("my_team").map(String::as_str), Some("a"));
    assert_eq!(beyond(&request), []);
}

#[test]
fn calls_and_results_without_ids_find_each_other() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {"b": 1, "a": 2}}});
    let answer = |name: &str, text: &str| json!({"functionResponse": {"name": name, "response": {"result": text}}});
    let request = read(&json!({"contents": [
        {"role": "model", "parts": [call("f"), call("g"), call("f")]},
        {"role": "function", "parts": [answer("g", "1"), answer("f", "2"), answer("f", "3")]},
        {"role": "model", "parts": [call("f")]},
        {"role": "user", "parts": [answer("f", "4")]},
    ]}))
    .expect("a request");
    let ids = |turn: usize| -> Vec<&str> {
        let parts = request.turns[turn].parts.iter();
        parts
            .filter_map(|part| match part {
                Part::ToolCall { id, .. } | Part::ToolResult { id, .. } => Some(id.as_str()),
                _ => None,
            })
            .collect()
    };
    assert_eq!(ids(0), ["call_0", "call_1", "call_2"]);
    assert_eq!(ids(1), ["call_1", "call_0", "call_2"]);
    assert_eq!((ids(2), ids(3)), (vec!["call_3"], vec!["call_3"]));
    let Part::ToolCall { arguments, .. } = &request.turns[0].parts[0] else { panic!("a call") };
    assert_eq!(serde_json::from_str::<Value>(arguments).expect("JSON"), json!({"b": 1, "a": 2}));
}

#[test]
fn reasoning_in_pieces_is_one_until_its_signature() {
    let request = read(&json!({"contents": [{"role": "model", "parts": [
        {"text": "a", "thought": true}, {"text": "b", "thought": true},
        {"text": "", "thought": true, "thoughtSignature": "c2ln"},
        {"text": "c", "thought": true}, {"text": "x", "thought_signature": "dHdv"},
        {"functionCall": {"name": "f"}, "thoughtSignature": "skip_thought_signature_validator"}]}]}))
    .expect("a request");
    let shown: Vec<String> =
        request.turns[0].parts.iter().map(|part| format!("{part:?}")).collect();
    assert_eq!(shown.len(), 5, "{shown:?}");
    let Part::Thinking { text, state: Some(state) } = &request.turns[0].parts[0] else {
        panic!("{shown:?}")
    };
    assert_eq!((text.as_str(), state.data.as_str()), ("ab", "c2ln"));
    assert!(matches!(&request.turns[0].parts[1], Part::Thinking { state: None, .. }));
    assert!(matches!(&request.turns[0].parts[3],
        Part::Thinking { text, state: Some(state) } if text.is_empty() && state.data == "dHdv"));
    assert!(matches!(&request.turns[0].parts[4], Part::ToolCall { state: None, .. }));
}

#[test]
fn what_has_no_place_is_named() {
    let request = read(&json!({
        "contents": [{"parts": [{"text": "x", "videoMetadata": {"fps": 1}},
            {"executableCode": {"language": "PYTHON", "code": "1"}}]}],
        "tools": [{"googleSearch": {}}],
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "cachedContent": "cachedContents/1",
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "mediaResolution": "LOW"},
        "newThing": 1,
    }))
    .expect("a request");
    let mut beyond = beyond(&request);
    beyond.sort_unstable();
    let expected = [
        ("cachedContent", true),
        ("contents[0].parts[0].videoMetadata", false),
        ("contents[0].parts[1].executableCode", true),
        ("generationConfig.mediaResolution", false),
        ("generationConfig.responseModalities", true),
        ("newThing", false),
        ("safetySettings", false),
        ("tools[0].googleSearch", true),
    ];
    assert_eq!(beyond, expected);
}

#[test]
fn tools_that_google_runs_are_a_harmless_loss_beside_others() {
    let functions = json!({"functionDeclarations": [{"name": "f"}], "googleSearch": {}});
    let request = read(&json!({"contents": [], "tools": [{"urlContext": {}}, functions,
        {"computerUse": {"environment": "ENVIRONMENT_BROWSER"}}]}))
    .expect("a request");
    let mut beyond = beyond(&request);
    beyond.sort_unstable();
    let expected = [
        ("tools[0].urlContext", false),
        ("tools[1].googleSearch", false),
        ("tools[2].computerUse", true),
    ];
    assert_eq!(beyond, expected);
}

#[test]
fn a_schema_of_the_subset_becomes_json_schema() {
    let request = read(&json!({
        "contents": [],
        "generationConfig": {"responseMimeType": "application/json",
            "responseSchema": {"type": "STRING", "nullable": true}},
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}],
    }))
    .expect("a request");
    let Some(Format::JsonSchema { schema, .. }) = &request.format else { panic!("a schema") };
    assert_eq!(schema.get(), r#"{"type":["string","null"]}"#);
    let parameters = request.tools[0].schema.as_deref().map(serde_json::value::RawValue::get);
    assert_eq!(parameters, Some(r#"{"type":"object"}"#));
}

#[test]
fn mistakes_name_their_field() {
    let part = |part: Value| json!({"contents": [{"parts": [{"text": "x"}, part]}]});
    let cases = [
        (json!({"contents": "hi"}), "contents"),
        (json!({"contents": [{"role": "assistant"}]}), "contents[0].role"),
        (json!({"contents": [], "generationConfig": {"topK": "x"}}), "generationConfig.topK"),
        (part(json!({"text": 1})), "contents[0].parts[1].text"),
        (part(json!({})), "contents[0].parts[1]"),
        (
            part(json!({"functionCall": {"name": "f", "args": [1]}})),
            "contents[0].parts[1].functionCall.args",
        ),
        (
            part(json!({"functionResponse": {"name": "f", "response": {}}})),
            "contents[0].parts[1].functionResponse",
        ),
        (
            part(json!({"inlineData": {"mimeType": "image/png"}})),
            "contents[0].parts[1].inlineData.data",
        ),
        (
            json!({"toolConfig": {"functionCallingConfig": {"mode": "x"}}}),
            "toolConfig.functionCallingConfig.mode",
        ),
        (
            json!({"tools": [{"functionDeclarations": [{}]}]}),
            "tools[0].functionDeclarations[0].name",
        ),
    ];
    for (body, param) in cases {
        assert_eq!(read(&body).expect_err("a mistake").param, param, "{body}");
    }
    assert_eq!(GeminiDialect.read_request(b"[]").expect_err("no object").param, "body");
}

/// Something like a request: the right names in any places.
fn requestish() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "contents",
        "parts",
        "role",
        "text",
        "thought",
        "thoughtSignature",
        "functionCall",
        "functionResponse",
        "name",
        "args",
        "response",
        "inlineData",
        "data",
        "fileData",
        "file_uri",
        "tools",
        "functionDeclarations",
        "parameters",
        "type",
        "items",
        "anyOf",
        "generationConfig",
        "responseSchema",
        "responseMimeType",
        "stopSequences",
        "toolConfig",
        "functionCallingConfig",
        "systemInstruction",
        "labels",
        "thinkingConfig",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = GeminiDialect.read_request(&bytes);
    }

    #[test]
    fn whatever_is_read_can_be_written(body in requestish()) {
        if let Ok(request) = read(&body) {
            for facts in [gemini_3(), ModelFacts { schema_subset: true, ..vertex_2_5() }] {
                let _ = write_with(&request, &facts, &Quirks::COMPATIBLE);
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused_or_read() {
    for depth in [100, 10_000, 200_000] {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        for body in [
            format!(r#"{{"x":{nested}}}"#),
            format!(r#"{{"contents":{nested}}}"#),
            format!(
                r#"{{"tools":[{{"functionDeclarations":[{{"name":"f","parameters":{{"items":{nested}}}}}]}}]}}"#
            ),
            format!(
                r#"{{"contents":[{{"parts":[{{"functionCall":{{"name":"f","args":{{"x":{nested}}}}}}}]}}]}}"#
            ),
        ] {
            if let Ok(request) = GeminiDialect.read_request(body.as_bytes()) {
                let facts = ModelFacts { schema_subset: true, ..ModelFacts::default() };
                let target = TargetView { model: "m", facts: &facts, quirks: &Quirks::COMPATIBLE };
                let _ = GeminiDialect.write_request(&request, &target, &mut Crossing::default());
            }
        }
    }
}
