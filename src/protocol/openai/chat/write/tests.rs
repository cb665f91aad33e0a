use serde_json::{Value, json};

use super::super::{request, vendor};
use super::*;
use crate::protocol::dialect::Quirks;
use crate::protocol::model::{ModelFacts, Thinking};
use crate::protocol::neutral::{Compatibility, Effort, OpaqueState, Origin, Part, Turn};

fn facts() -> ModelFacts {
    ModelFacts::default()
}

fn written(
    request: &Request,
    quirks: &Quirks,
    facts: &ModelFacts,
) -> (Value, Vec<String>, Written) {
    let mut crossing = Crossing::new(Compatibility::Standard);
    let target = TargetView { model: "target", facts, quirks };
    let written = write(request, &target, &mut crossing).expect("can cross");
    let body = serde_json::from_slice(&written.body).expect("JSON");
    let warnings = crossing.into_warnings().iter().map(ToString::to_string).collect();
    (body, warnings, written)
}

fn refusal(request: &Request, quirks: &Quirks, facts: &ModelFacts) -> String {
    let mut crossing = Crossing::new(Compatibility::Standard);
    let target = TargetView { model: "target", facts, quirks };
    write(request, &target, &mut crossing).expect_err("cannot cross").param
}

fn chat(body: &Value) -> Request {
    request::read(body.to_string().as_bytes()).expect("a request")
}

fn with(more: &Value) -> Request {
    let mut body = json!({"messages": [{"role": "user", "content": "hi"}]});
    let members = more.as_object().expect("members").clone();
    body.as_object_mut().expect("an object").extend(members);
    chat(&body)
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn text(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn result(id: &str, texts: &[&str]) -> Part {
    let content = texts.iter().map(|t| crate::protocol::neutral::ResultPart::Text((*t).to_owned()));
    Part::ToolResult { id: id.to_owned(), content: content.collect(), is_error: false, cache: None }
}

#[test]
fn vectors_32_and_33_results_come_first_and_lose_nothing() {
    use crate::protocol::neutral::{Media, ResultPart, Source};
    let media = Media {
        source: Source::Base64("iVBORw0KGgo=".to_owned()),
        media_type: None,
        name: None,
        detail: None,
        cache: None,
        field: String::new(),
    };
    let mut shown = result("b", &[]);
    if let Part::ToolResult { content, .. } = &mut shown {
        content.push(ResultPart::Image(media));
    }
    let parts = vec![text("go"), result("a", &["a", "b"]), shown];
    let request = Request { turns: vec![turn(Role::User, parts)], ..Request::default() };
    let (body, _, _) = written(&request, &vendor::OPENAI, &facts());
    assert_eq!(
        body["messages"],
        json!([
            {"role": "tool", "tool_call_id": "a", "content": "a\nb"},
            {"role": "tool", "tool_call_id": "b", "content": ""},
            {"role": "user", "content": [
                {"type": "text", "text": "Result of tool call b:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
            {"role": "user", "content": "go"},
        ])
    );
}

#[test]
fn vector_4_instructions_do_not_part_calls_from_results() {
    let request = chat(&json!({"messages": [
        {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "system", "content": "x"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
    ]}));
    let (body, _, _) = written(&request, &Quirks::COMPATIBLE, &facts());
    let roles: Vec<&Value> =
        body["messages"].as_array().expect("some").iter().map(|m| &m["role"]).collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "system"]);
    assert!(body["messages"][0].get("content").is_none(), "vector 49: no nulls");
    assert_eq!(body["messages"][0]["tool_calls"][1]["function"]["arguments"], "{}");
}

#[test]
fn vector_12_tools_of_another_kind_are_refused() {
    let mut request = with(&json!({}));
    request.beyond.push(crate::protocol::neutral::request::Beyond {
        field: "tools[0]".to_owned(),
        essential: true,
        value: None,
    });
    assert_eq!(refusal(&request, &vendor::OPENAI, &facts()), "tools[0]");
}

#[test]
fn vectors_14_and_15_a_schema_is_byte_equal() {
    let schema = r#"{"type":"object", "properties":{"bA":{"maximum":1.50},"a":{}},"additionalProperties":false}"#;
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":""}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]}}"#
    );
    let request = request::read(body.as_bytes()).expect("a request");
    let (_, _, written) = written(&request, &vendor::OPENAI, &facts());
    let body = String::from_utf8(written.body.to_vec()).expect("text");
    assert!(body.contains(schema), "{body}");
}

#[test]
fn vector_47_tools_without_reasoning_where_both_are_refused() {
    let facts = ModelFacts { tools_need_responses: true, ..facts() };
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f"}}]});
    let (body, warnings, _) = written(&with(&tools), &vendor::OPENAI, &facts);
    assert_eq!(body["reasoning_effort"], "none");
    assert_eq!(warnings, ["code=adjusted;param=reasoning_effort"]);
}

#[test]
fn vector_48_ids_are_shortened_alike_in_calls_and_results() {
    let id = "x".repeat(52);
    let request = chat(&json!({"messages": [
        {"role": "assistant", "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": id, "content": "1"}]}));
    let (body, _, _) = written(&request, &vendor::OPENAI, &facts());
    let call = body["messages"][0]["tool_calls"][0]["id"].as_str().expect("an id");
    assert_eq!(call.len(), 40);
    assert_eq!(body["messages"][1]["tool_call_id"], call);
}

#[test]
fn vector_49_groq_gets_neither_names_nor_nulls_nor_what_it_lacks() {
    let request = with(&json!({"logprobs": false, "n": 1, "logit_bias": {"1": 2}}));
    let (body, warnings, _) = written(&request, &vendor::GROQ, &facts());
    let members: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["messages", "model"]);
    assert_eq!(warnings, ["code=dropped;param=logit_bias"]);
    assert_eq!(refusal(&with(&json!({"n": 2})), &vendor::GROQ, &facts()), "n");
}

#[test]
fn vector_53_a_result_without_content_is_empty_text() {
    let request =
        Request { turns: vec![turn(Role::User, vec![result("a", &[])])], ..Request::default() };
    let (body, _, _) = written(&request, &vendor::OPENAI, &facts());
    assert_eq!(body["messages"][0]["content"], "");
}

#[test]
fn what_the_api_supports_is_read_back_as_it_was() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}},
        "required": ["a"], "additionalProperties": false});
    let request = chat(&json!({
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]},
            {"role": "user", "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "q.pdf"}}]},
            {"role": "assistant", "content": "so", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "assistant", "refusal": "no"},
            {"role": "developer", "content": "x"},
            {"role": "user", "content": "go"}],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": schema, "strict": true}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": false, "max_completion_tokens": 9, "stop": ["a", "b"],
        "temperature": 0.5, "top_p": 0.5, "seed": -3, "presence_penalty": 1.0, "frequency_penalty": -1.0,
        "reasoning_effort": "low", "n": 2, "user": "u", "service_tier": "flex", "verbosity": "low",
        "logit_bias": {"1": 2}, "stream": true,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}},
    }));
    let (_, warnings, written) = written(&request, &vendor::OPENAI, &facts());
    assert_eq!(warnings, Vec::<String>::new());
    let again = request::read(&written.body).expect("a request");
    assert_eq!(format!("{again:?}"), format!("{request:?}"));
}

#[test]
fn names_that_do_not_fit_are_undone() {
    let long = "n".repeat(70);
    let request = with(&json!({"tools": [{"type": "function", "function": {"name": long}}],
        "tool_choice": {"type": "function", "function": {"name": long}}}));
    let (body, _, written) = written(&request, &vendor::OPENAI, &facts());
    let name = body["tools"][0]["function"]["name"].as_str().expect("a name");
    assert!(name.len() <= 64);
    assert_eq!(body["tool_choice"]["function"]["name"], name);
    assert_eq!(written.undo.tool_names.get(name), Some(&long));
}

#[test]
fn choices_are_said_in_the_vendors_words() {
    let tools = json!([{"type": "function", "function": {"name": "f"}},
                       {"type": "function", "function": {"name": "g"}}]);
    let named = json!({"type": "function", "function": {"name": "g"}});
    let allowed =
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}});
    let choice = |choice: &Value, quirks: &Quirks| {
        let (body, warnings, _) =
            written(&with(&json!({"tools": tools, "tool_choice": choice})), quirks, &facts());
        (
            body["tool_choice"].clone(),
            body["tools"].as_array().expect("tools").len(),
            warnings.len(),
        )
    };
    assert_eq!(choice(&json!("required"), &vendor::MISTRAL), (json!("any"), 2, 0));
    assert_eq!(choice(&json!("required"), &vendor::DEEPINFRA), (json!("auto"), 2, 1));
    assert_eq!(choice(&allowed, &vendor::OPENAI), (allowed.clone(), 2, 0));
    assert_eq!(choice(&allowed, &Quirks::COMPATIBLE), (json!("required"), 1, 0));
    let unknown = with(&json!({"tool_choice": named}));
    assert_eq!(refusal(&unknown, &vendor::OPENAI, &facts()), "tool_choice");
}

#[test]
fn sampling_follows_the_models_facts() {
    let request = with(
        &json!({"temperature": 1.5, "top_p": 1, "seed": 1, "top_k": 4, "stop": ["1","2","3","4","5"]}),
    );
    let fixed = ModelFacts { sampling: Sampling::None, refuses_stop: true, ..facts() };
    let (body, warnings, _) = written(&request, &vendor::OPENAI, &fixed);
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none());
    assert_eq!(warnings, ["code=dropped;param=stop", "code=dropped;param=temperature"]);
    let (body, warnings, _) = written(&request, &vendor::MOONSHOT, &facts());
    assert_eq!((&body["temperature"], &body["top_k"]), (&json!(1.0), &json!(4)));
    assert_eq!(body["stop"].as_array().map(Vec::len), Some(4));
    assert_eq!(warnings, ["code=adjusted;param=stop", "code=adjusted;param=temperature"]);
    let (body, _, _) = written(&request, &vendor::MISTRAL, &facts());
    assert_eq!(body["random_seed"], 1);
    let one = ModelFacts { one_sampling_parameter: true, max_output_tokens: Some(5), ..facts() };
    let request = with(&json!({"temperature": 0.5, "top_p": 0.5, "max_tokens": 9}));
    let (body, warnings, _) = written(&request, &Quirks::COMPATIBLE, &one);
    assert_eq!((&body["max_tokens"], body.get("top_p")), (&json!(5), None));
    assert_eq!(warnings, ["code=adjusted;param=max_tokens", "code=dropped;param=top_p"]);
}

#[test]
fn effort_follows_the_models_facts() {
    let effort = |reasoning: Value, quirks: &Quirks, facts: &ModelFacts| {
        let (body, warnings, _) = written(&with(&reasoning), quirks, facts);
        (body.get("reasoning_effort").cloned(), warnings.len())
    };
    let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    let known: ModelFacts = serde_json::from_value(
        json!({"efforts": ["low", "medium", "high", "xhigh"], "thinking": "effort"}),
    )
    .expect("facts");
    assert_eq!(effort(budget(20000), &vendor::OPENAI, &facts()), (Some(json!("high")), 0));
    assert_eq!(effort(budget(20000), &vendor::OPENAI, &known), (Some(json!("xhigh")), 0));
    assert_eq!(effort(budget(3000), &vendor::OPENAI, &known), (Some(json!("medium")), 0));
    let never = ModelFacts { thinking: Thinking::Never, ..facts() };
    assert_eq!(effort(budget(3000), &vendor::OPENAI, &never), (None, 1));
    let none = || json!({"reasoning_effort": Effort::None.as_str()});
    assert_eq!(effort(none(), &vendor::OPENAI, &never), (None, 0));
    assert_eq!(effort(none(), &vendor::OPENAI, &known), (Some(json!("low")), 1));
    assert_eq!(
        effort(json!({"thinking": {"type": "adaptive"}}), &vendor::OPENAI, &known),
        (None, 0)
    );
    let (body, _, _) = written(&with(&budget(3000)), &vendor::DASHSCOPE, &facts());
    assert_eq!((&body["enable_thinking"], &body["thinking_budget"]), (&json!(true), &json!(3000)));
}

#[test]
fn logprobs_and_dead_ends_are_refused() {
    assert_eq!(refusal(&with(&json!({"logprobs": true})), &vendor::OPENAI, &facts()), "logprobs");
    assert_eq!(refusal(&with(&json!({"max_tokens": 0})), &vendor::OPENAI, &facts()), "max_tokens");
    let prefill = chat(
        &json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
    );
    let strict = ModelFacts { refuses_prefill: true, ..facts() };
    assert_eq!(refusal(&prefill, &vendor::OPENAI, &strict), "messages");
}

#[test]
fn a_tool_stands_in_for_a_schema() {
    let format = |schema: Value| json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}});
    let facts = ModelFacts { lacks_json_schema: true, ..facts() };
    let (body, _, written_object) =
        written(&with(&format(json!({"type": "object"}))), &Quirks::COMPATIBLE, &facts);
    assert_eq!(body["tool_choice"]["function"]["name"], format::TOOL);
    assert!(body.get("response_format").is_none());
    let tool = written_object.undo.format_tool.expect("a tool");
    assert_eq!((&*tool.name, tool.wrapped_in), (format::TOOL, None));
    let (body, _, written_array) =
        written(&with(&format(json!({"type": "array"}))), &Quirks::COMPATIBLE, &facts);
    assert_eq!(
        body["tools"][0]["function"]["parameters"]["properties"]["value"],
        json!({"type": "array"})
    );
    assert_eq!(
        written_array.undo.format_tool.and_then(|tool| tool.wrapped_in).as_deref(),
        Some("value")
    );
}

#[test]
fn json_is_mentioned_where_it_is_wanted() {
    let request = with(&json!({"response_format": {"type": "json_object"}}));
    let (body, _, _) = written(&request, &vendor::OPENAI, &facts());
    assert_eq!(body["messages"][0]["content"], "Answer with a JSON object.");
}

#[test]
fn foreign_reasoning_stays_here() {
    let state = |origin| Some(OpaqueState { origin, data: "s".to_owned(), redacted: false });
    let parts = vec![
        Part::Thinking { text: "hm".to_owned(), state: state(Origin::Anthropic) },
        text("so"),
        Part::ToolCall {
            id: "a".to_owned(),
            name: "f".to_owned(),
            arguments: "{}".to_owned(),
            state: state(Origin::Gemini),
            cache: None,
        },
    ];
    let request = Request { turns: vec![turn(Role::Assistant, parts)], ..Request::default() };
    let (body, warnings, _) = written(&request, &vendor::DEEPSEEK, &facts());
    assert_eq!(body["messages"][0]["reasoning_content"], "hm");
    assert_eq!(warnings, ["code=dropped;param=thinking", "code=dropped;param=thought_signature"]);
    let (body, _, _) = written(&request, &vendor::GOOGLE, &facts());
    assert!(body["messages"][0].get("reasoning_content").is_none());
    let call = &body["messages"][0]["tool_calls"][0];
    assert_eq!(call["extra_content"]["google"]["thought_signature"], "s");
}
