//! What other gateways got wrong, by the numbers of our collection.

use serde_json::value::RawValue;

use super::*;
use crate::protocol::neutral::{
    CacheMark, Effort, Media, OpaqueState, Origin, Reasoning, Source, SystemText, ToolChoice,
};

fn asked_by_model(parts: Vec<Part>) -> Request {
    let turns = vec![turn(Role::User, vec![words("x")]), turn(Role::Assistant, parts)];
    Request { turns, tools: vec![tool("f")], ..Request::default() }
}

#[test]
fn vector_2_arguments_that_are_no_object_become_one() {
    for arguments in ["[1,2]", "not json"] {
        let (body, warnings) = written(&asked_by_model(vec![call("a", "f", arguments)]));
        assert_eq!(body["messages"][1]["content"][0]["toolUse"]["input"], json!({}));
        assert_eq!(warnings, ["adjusted messages[1].content[0].arguments"]);
    }
    for arguments in ["", "null", " "] {
        let (body, warnings) = written(&asked_by_model(vec![call("a", "f", arguments)]));
        assert_eq!(body["messages"][1]["content"][0]["toolUse"]["input"], json!({}));
        assert!(warnings.is_empty());
    }
}

#[test]
fn vector_4_instructions_between_results_move_and_results_stay_together() {
    let mut request = asked_by_model(vec![call("a", "f", "{}"), call("b", "f", "{}")]);
    request.turns.extend([
        turn(Role::User, vec![result("b", "B")]),
        turn(Role::System, vec![words("x")]),
        turn(Role::User, vec![words("go"), result("a", "A")]),
    ]);
    let (body, warnings) = written(&request);
    assert_eq!(body["system"], json!([{"text": "x"}]));
    assert_eq!(
        body["messages"][2]["content"],
        json!([
            {"toolResult": {"toolUseId": "a", "content": [{"text": "A"}]}},
            {"toolResult": {"toolUseId": "b", "content": [{"text": "B"}]}},
            {"text": "go"},
        ])
    );
    assert_eq!(warnings, ["adjusted messages[3]"]);
}

#[test]
fn vector_6_both_kinds_of_instructions_survive() {
    let mut request = said("hi");
    request.system.push(SystemText { text: "S".to_owned(), cache: None });
    request.turns.push(turn(Role::System, vec![words("M")]));
    assert_eq!(written(&request).0["system"], json!([{"text": "S"}, {"text": "M"}]));
    // A model that knows them keeps them in their place.
    let facts = ModelFacts { system_turns: true, ..ModelFacts::default() };
    let (body, warnings) = write_for(&request, CLAUDE, &facts);
    assert_eq!(body["messages"][1], json!({"role": "system", "content": [{"text": "M"}]}));
    assert!(warnings.is_empty());
}

#[test]
fn vector_7_an_assistant_that_says_nothing_is_left_out() {
    let mut request = said("a");
    request.turns.push(turn(Role::Assistant, vec![words("")]));
    request.turns.push(turn(Role::User, vec![words("b")]));
    assert_eq!(
        messages(&request),
        json!([{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}])
    );
}

#[test]
fn vector_8_blank_text_is_left_out() {
    let media = Media {
        source: Source::Base64("AAAA".to_owned()),
        media_type: Some("image/jpg".to_owned()),
        name: None,
        detail: None,
        cache: None,
        field: "messages[0].content[1].image_url".to_owned(),
    };
    let mut request = said(" \n");
    request.turns[0].parts.push(Part::Image(media));
    let image = json!({"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}});
    assert_eq!(messages(&request)[0]["content"], json!([image]));
}

fn marked(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: Some(CacheMark::default()) }
}

#[test]
fn vector_9_a_cache_mark_is_an_element_of_its_own() {
    let mut request = said("");
    request.turns[0].parts = vec![marked("x")];
    let expected = json!([{"text": "x"}, {"cachePoint": {"type": "default"}}]);
    assert_eq!(messages(&request)[0]["content"], expected);
}

#[test]
fn vector_10_no_more_than_four_cache_marks_are_written() {
    let mut request = said("");
    request.turns[0].parts = (0..4).map(|number| marked(&number.to_string())).collect();
    request.system.push(SystemText { text: "S".to_owned(), cache: Some(CacheMark::default()) });
    request.tools.push(Tool { cache: Some(CacheMark::default()), ..tool("f") });
    let (body, warnings) = written(&request);
    assert_eq!(body.to_string().matches("cachePoint").count(), 4);
    assert_eq!(body["messages"][0]["content"].as_array().map(Vec::len), Some(6));
    assert_eq!(warnings, ["dropped cache_control"]);
    // Models without a cache refuse marks, and lose nothing without.
    let (body, warnings) = write_for(&request, "meta.llama3-70b", &ModelFacts::default());
    assert!(!body.to_string().contains("cachePoint") && warnings.is_empty());
}

#[test]
fn vectors_13_14_15_22_tools_are_written_as_they_are() {
    let schema =
        r#"{"type":"object","properties":{"bB":{"x":1.50},"aA":{}},"additionalProperties":false}"#;
    let mut request = said("x");
    request.tools.push(Tool {
        description: Some(String::new()),
        schema: Some(RawValue::from_string(schema.to_owned()).expect("JSON")),
        strict: Some(true),
        ..tool("f")
    });
    let facts = ModelFacts::default();
    let (written, _) = try_write(&request, CLAUDE, &facts, Compatibility::Strict).expect("fits");
    let text = std::str::from_utf8(&written.body).expect("UTF-8");
    assert!(
        text.contains(&format!(r#""inputSchema":{{"json":{schema}}},"strict":true"#)),
        "{text}"
    );
    assert!(text.contains(r#""name":"f","description":"f""#), "{text}");
}

#[test]
fn vector_16_a_thinking_claude_is_not_forced_to_call() {
    let mut request = said("x");
    request.tools.push(tool("f"));
    request.tool_choice = Some(ToolChoice::Required);
    request.reasoning = Some(Reasoning { effort: Some(Effort::High), ..Reasoning::default() });
    let facts =
        ModelFacts { thinking: crate::protocol::model::Thinking::Budget, ..ModelFacts::default() };
    let (body, warnings) = write_for(&request, CLAUDE, &facts);
    assert_eq!(body["toolConfig"]["toolChoice"], Value::Null);
    assert_eq!(
        body["additionalModelRequestFields"]["thinking"],
        json!({"type": "enabled", "budget_tokens": 4096})
    );
    assert_eq!(body["inferenceConfig"]["maxTokens"], 8192);
    assert_eq!(warnings, ["adjusted tool_choice"]);
}

#[test]
fn vector_19_without_a_history_of_calls_none_means_no_tools() {
    let mut request = said("x");
    request.tools.push(tool("f"));
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(written(&request).0.get("toolConfig"), None);
    let mut request = asked_by_model(vec![call("a", "f", "{}")]);
    request.tool_choice = Some(ToolChoice::None);
    let (body, warnings) = written(&request);
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(warnings, ["adjusted tool_choice"]);
}

#[test]
fn vector_20_tools_are_remembered_from_the_history() {
    let mut request = asked_by_model(vec![call("a", "f", "{}")]);
    request.tools.clear();
    request.turns.push(turn(Role::User, vec![result("a", "")]));
    let (body, _) = written(&request);
    let tools = json!([{"toolSpec": {"name": "f", "description": "f",
        "inputSchema": {"json": {"type": "object"}}}}]);
    assert_eq!(body["toolConfig"]["tools"], tools);
    assert_eq!(
        body["messages"][2]["content"][0]["toolResult"],
        json!({"toolUseId": "a", "content": []})
    );
}

#[test]
fn vector_21_a_long_name_is_the_same_in_tools_choice_and_history() {
    let long = "n".repeat(70);
    let mut request = asked_by_model(vec![call(&"i".repeat(80), &long, "{}")]);
    request.turns.push(turn(Role::User, vec![result(&"i".repeat(80), "r")]));
    request.tools = vec![tool(&long)];
    request.tool_choice = Some(ToolChoice::Named(long.clone()));
    let facts = ModelFacts::default();
    let (written, _) = try_write(&request, CLAUDE, &facts, Compatibility::Strict).expect("fits");
    let body: Value = serde_json::from_slice(&written.body).expect("JSON");
    let short = body["toolConfig"]["tools"][0]["toolSpec"]["name"].as_str().expect("a name");
    assert!(short.len() <= 64);
    assert_eq!(body["toolConfig"]["toolChoice"]["tool"]["name"], short);
    let called = &body["messages"][1]["content"][0]["toolUse"];
    let returned = &body["messages"][2]["content"][0]["toolResult"];
    assert_eq!((&called["name"], &called["toolUseId"]), (&json!(short), &returned["toolUseId"]));
    assert_eq!(written.undo.tool_names.get(short), Some(&long));
}

#[test]
fn vector_28_only_betas_that_bedrock_knows_are_sent() {
    let mut request = said("x");
    request.betas = vec!["context-1m-2025-08-07".to_owned(), "unknown-x".to_owned()];
    let (body, warnings) = written(&request);
    let betas = &body["additionalModelRequestFields"]["anthropic_beta"];
    assert_eq!(betas, &json!(["context-1m-2025-08-07"]));
    assert_eq!(warnings, ["dropped anthropic-beta"]);
}

#[test]
fn vector_34_three_turns_of_the_user_are_one() {
    let mut request = said("a");
    request.turns.extend(["b", "c"].map(|text| turn(Role::User, vec![words(text)])));
    let content = json!([{"text": "a"}, {"text": "b"}, {"text": "c"}]);
    assert_eq!(messages(&request), json!([{"role": "user", "content": content}]));
}

#[test]
fn vector_35_top_k_goes_where_the_family_has_it() {
    let mut request = said("x");
    request.top_k = Some(40);
    let extra = "additionalModelRequestFields";
    assert_eq!(written(&request).0[extra], json!({"top_k": 40}));
    let (body, _) = write_for(&request, NOVA, &ModelFacts::default());
    assert_eq!(body[extra], json!({"inferenceConfig": {"topK": 40}}));
    let (body, warnings) = write_for(&request, "meta.llama3", &ModelFacts::default());
    assert_eq!((body.get(extra), &*warnings), (None, &["dropped top_k".to_owned()][..]));
}

#[test]
fn vectors_44_45_46_reasoning_keeps_its_place_and_its_bytes() {
    let thought = |text: &str, data: &str, origin, redacted| Part::Thinking {
        text: text.to_owned(),
        state: Some(OpaqueState { origin, data: data.to_owned(), redacted }),
    };
    let request = asked_by_model(vec![
        thought("hm", "c2ln+/=", Origin::Anthropic, false),
        thought("", "c2ln", Origin::Anthropic, false),
        thought("", "RW1w", Origin::Anthropic, true),
        thought("", "gemini's", Origin::Gemini, false),
        Part::Thinking { text: "unsigned".to_owned(), state: None },
        words("so"),
    ]);
    let (body, warnings) = written(&request);
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln+/="}}},
            {"reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}},
            {"reasoningContent": {"redactedContent": "RW1w"}},
            {"text": "so"},
        ])
    );
    assert_eq!(warnings, ["dropped messages[1].content[3]"]);
}

#[test]
fn vector_50_a_budget_that_does_not_fit_is_left_out() {
    let mut request = said("x");
    request.max_output_tokens = Some(800);
    request.reasoning = Some(Reasoning { effort: Some(Effort::High), ..Reasoning::default() });
    let facts =
        ModelFacts { thinking: crate::protocol::model::Thinking::Budget, ..ModelFacts::default() };
    let (body, warnings) = write_for(&request, CLAUDE, &facts);
    assert_eq!(body.get("additionalModelRequestFields"), None);
    assert_eq!(warnings, ["dropped reasoning_effort"]);
}
