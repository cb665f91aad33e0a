//! What Google refuses is refused.
#![expect(clippy::needless_pass_by_value, reason = "`json!` reads best where it stands")]

use super::*;

async fn refusal(path: &str, model: &str, changes: &Value) -> String {
    let got = ask(&format!("{path}{model}:generateContent"), &hello(changes)).await;
    assert_eq!(got.status, 400, "{changes}: {}", got.text());
    let error = &got.json()["error"];
    assert_eq!((&error["code"], &error["status"]), (&json!(400), &json!("INVALID_ARGUMENT")));
    error["message"].as_str().expect("a message").to_owned()
}

fn said(parts: Value) -> Value {
    json!({"contents": [{"role": "user", "parts": parts}]})
}

/// The user asks, the model calls, and this follows.
fn called(calls: Value, after: Value) -> Value {
    let mut contents = vec![
        json!({"role": "user", "parts": [{"text": "hi"}]}),
        json!({"role": "model", "parts": calls}),
    ];
    contents.extend(after.as_array().cloned().unwrap_or_default());
    json!({"contents": contents})
}

fn call(name: &str) -> Value {
    json!({"functionCall": {"name": name, "args": {}}})
}

fn result(name: &str) -> Value {
    json!({"functionResponse": {"name": name, "response": {}}})
}

fn user(parts: Value) -> Value {
    json!({"role": "user", "parts": parts})
}

#[tokio::test]
async fn shapes_are_checked() {
    let cases = [
        (json!({"top_x": 1}), "Unknown name \"topX\""),
        (
            said(json!([{"text": "a", "kind": 1}])),
            "Unknown name \"kind\" at 'contents[0].parts[0]'",
        ),
        (said(json!([{"text": ""}])), "data"),
        (said(json!([])), "contents.parts must not be empty"),
        (json!({"contents": []}), "contents is not specified"),
        (said(json!([{"inlineData": {"mimeType": "image/png", "data": "%"}}])), "Base64"),
        (said(json!([{"inlineData": {"data": "AAAA"}}])), "MIME"),
        (said(json!([{"fileData": {"fileUri": "gs://b/x"}}])), "MIME"),
        (json!({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}), "valid role"),
        (json!({"generationConfig": {"maxOutputTokens": 0}}), "max_output_tokens"),
        (
            json!({"generationConfig": {"stopSequences": ["1", "2", "3", "4", "5", "6"]}}),
            "stop_sequences",
        ),
        (json!({"generationConfig": {"seed": 1_u64 << 40}}), "seed"),
        (
            json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "low"}}}),
            "only one",
        ),
        (json!({"labels": {"a": "b"}}), "Unknown name \"labels\""),
    ];
    for (changes, expected) in cases {
        let message = refusal(V1BETA, "gemini-sim", &changes).await;
        assert!(message.contains(expected), "{changes}: {message}");
    }
    let path = format!("{VERTEX}gemini-sim:generateContent");
    let on_vertex = ask(&path, &hello(&json!({"labels": {"a": "b"}}))).await;
    assert_eq!(on_vertex.status, 200);
}

#[tokio::test]
async fn calls_and_results_keep_their_places() {
    let results = |names: &[&str]| user(names.iter().map(|name| result(name)).collect());
    let text = json!({"text": "and"});
    let cases = [
        called(json!([call("f"), call("g")]), json!([results(&["f"])])),
        called(json!([call("f"), call("g")]), json!([results(&["g", "f"])])),
        called(json!([call("f")]), json!([user(json!([{"text": "no"}]))])),
        called(json!([call("f")]), json!([user(json!([text, result("f")]))])),
        called(json!([call("f")]), json!([{"role": "model", "parts": [call("f")]}])),
        called(json!([call("f")]), json!([])),
        said(json!([result("f")])),
        said(json!([call("f")])),
        json!({"contents": [{"role": "model", "parts": [call("f")]}, results(&["f"])]}),
    ];
    for changes in cases {
        let message = refusal(V1BETA, "gemini-sim", &changes).await;
        assert!(message.starts_with("Please ensure that"), "{changes}: {message}");
    }
    let good = called(
        json!([call("f"), call("g")]),
        json!([user(json!([result("f"), result("g"), text]))]),
    );
    let got = ask(&format!("{V1BETA}gemini-sim:generateContent"), &hello(&good)).await;
    assert_eq!(got.status, 200, "{}", got.text());
}

#[tokio::test]
async fn generations_of_models_differ() {
    let with_ids = |signature: Option<&str>| {
        let mut first = json!({"functionCall": {"id": "1", "name": "f", "args": {}}});
        if let Some(signature) = signature {
            first["thoughtSignature"] = signature.into();
        }
        let answer = json!({"functionResponse": {"id": "1", "name": "f", "response": {}}});
        called(json!([first]), json!([user(json!([answer]))]))
    };
    let id = refusal(VERTEX, "gemini-2.5-pro", &with_ids(None)).await;
    assert!(id.contains("Unknown name \"id\""), "{id}");
    let unsigned = refusal(V1BETA, "gemini-3-pro", &with_ids(None)).await;
    assert!(unsigned.contains("thought_signature"), "{unsigned}");
    for (path, model, signature) in [
        (V1BETA, "gemini-2.5-pro", None),
        (VERTEX, "gemini-3-pro", Some("skip_thought_signature_validator")),
        (V1BETA, "gemini-3-pro", Some("c2lnbmVk")),
    ] {
        let path = format!("{path}{model}:generateContent");
        let got = ask(&path, &hello(&with_ids(signature))).await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
    let both =
        json!({"tools": look(), "generationConfig": {"responseMimeType": "application/json"}});
    assert!(refusal(V1BETA, "gemini-2.5-pro", &both).await.contains("unsupported"));
    let level = json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}});
    assert!(refusal(V1BETA, "gemini-2.5-pro", &level).await.contains("level"));
}

#[tokio::test]
async fn tools_and_schemas_are_checked() {
    let tools = |declaration: Value| json!({"tools": [{"functionDeclarations": [declaration]}]});
    let schema = |schema: Value| tools(json!({"name": "f", "parameters": schema}));
    let cases = [
        (tools(json!({"name": "1f"})), "Invalid function name"),
        (
            schema(json!({"type": "OBJECT", "additionalProperties": false})),
            "Unknown name \"additionalProperties\"",
        ),
        (
            schema(json!({"type": "OBJECT", "properties": {"a": {"$ref": "#"}}})),
            "Unknown name \"$ref\"",
        ),
        (schema(json!({"type": "ARRAY"})), "items: missing field"),
        (schema(json!({"type": "OBJECT", "properties": {"a": {}}})), "properties[a].type"),
        (schema(json!({"type": "OBJECT", "required": ["a"]})), "property is not defined"),
        (schema(json!({"type": "INTEGER", "enum": ["1"]})), "STRING"),
        (
            json!({"tools": look(), "toolConfig": {"functionCallingConfig":
                {"mode": "AUTO", "allowedFunctionNames": ["look"]}}}),
            "ANY or VALIDATED",
        ),
    ];
    for (changes, expected) in cases {
        let message = refusal(V1BETA, "gemini-sim", &changes).await;
        assert!(message.contains(expected), "{changes}: {message}");
    }
    let plain =
        tools(json!({"name": "f", "parametersJsonSchema": {"additionalProperties": false}}));
    let got = ask(&format!("{V1BETA}gemini-sim:generateContent"), &hello(&plain)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let old = refusal(V1BETA, "gemini-2.0-flash", &plain).await;
    assert!(old.contains("Unknown name"), "{old}");
}
