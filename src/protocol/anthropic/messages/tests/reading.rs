use serde_json::{Value, json};

use super::{MessagesDialect, read};
use crate::protocol::dialect::Dialect as _;
use crate::protocol::neutral::{
    CacheMark, Effort, Format, Origin, Part, ResultPart, Role, Source, ToolChoice,
};

fn message(content: &Value) -> Value {
    json!({"max_tokens": 9, "messages": [{"role": "user", "content": content}]})
}

fn answered(block: &Value) -> Vec<Part> {
    let body = json!({"messages": [{"role": "assistant", "content": [block]}]});
    read(&body).expect("a request").turns.remove(0).parts
}

#[test]
fn settings_are_read() {
    let request = read(&json!({
        "model": "m", "max_tokens": 100, "messages": [], "stream": true,
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                   {"type": "text", "text": ""}],
        "stop_sequences": ["x"], "temperature": 0.5, "top_p": null, "top_k": 3,
        "metadata": {"user_id": "u"}, "service_tier": "standard_only",
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": {"b": 1, "a": 2}}},
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
    }))
    .expect("a request");
    assert!(request.stream && request.beyond.is_empty());
    assert_eq!(request.max_output_tokens, Some(100));
    assert_eq!(request.system.len(), 1);
    assert_eq!(request.system[0].cache, Some(CacheMark { ttl: Some("1h".into()) }));
    assert_eq!((request.temperature, request.top_p, request.top_k), (Some(0.5), None, Some(3)));
    assert_eq!(request.user.as_deref(), Some("u"));
    assert_eq!(request.service_tier.as_deref(), Some("default"));
    let reasoning = request.reasoning.expect("given");
    assert!(reasoning.adaptive && reasoning.visible == Some(false));
    assert_eq!(reasoning.effort, Some(Effort::Max));
    let Some(Format::JsonSchema { schema, strict, .. }) = request.format else { panic!("given") };
    assert_eq!((schema.get().len(), strict), (13, Some(true)));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(request.parallel_tools, Some(false));
}

#[test]
fn vector_11_a_tool_without_type_is_a_function() {
    let body = br#"{"messages":[],"tools":[
        {"name":"f","input_schema":{"type":"object","properties":{"b":{},"a":{}}},"defer_loading":true},
        {"type":"custom","name":"g","strict":true}]}"#;
    let request = MessagesDialect.read_request(body).expect("a request");
    assert_eq!(request.tools.len(), 2);
    assert!(request.beyond.is_empty());
    let schema = request.tools[0].schema.as_ref().expect("given").get();
    assert_eq!(
        schema, r#"{"type":"object","properties":{"b":{},"a":{}}}"#,
        "vector 15: as written"
    );
    assert_eq!(request.tools[1].strict, Some(true), "vector 13");
}

#[test]
fn vector_12_tools_of_anthropic_are_essential() {
    let web = json!({"type": "web_search_20250305", "name": "web_search"});
    let request = read(&json!({"messages": [], "tools": [web]})).expect("a request");
    assert!(request.tools.is_empty());
    assert!(request.beyond[0].essential);
    assert_eq!(request.beyond[0].field, "tools[0]");
}

#[test]
fn tools_that_anthropic_runs_are_a_harmless_loss_beside_others() {
    let web = json!({"type": "web_search_20250305", "name": "web_search"});
    let shell = json!({"type": "bash_20250124", "name": "bash"});
    let own = json!({"name": "f", "input_schema": {}});
    let mut body = json!({"messages": [], "tools": [web, own]});
    let essential = |body: &Value| read(body).expect("a request").beyond[0].essential;
    assert!(!essential(&body));
    body["tool_choice"] = json!({"type": "tool", "name": "web_search"});
    assert!(essential(&body), "it is asked for by name");
    assert!(essential(&json!({"messages": [], "tools": [shell, own]})), "the client waits for it");
}

#[test]
fn members_of_anthropic_alone_are_no_reason_to_refuse() {
    let body = json!({"messages": [], "container": "c", "mcp_servers": [1], "inference_geo": "us",
        "context_management": {}, "speed": "fast", "anthropic_beta": ["b"]});
    let request = read(&body).expect("a request");
    let fields: Vec<&str> = request.beyond.iter().map(|beyond| &*beyond.field).collect();
    assert_eq!(
        fields,
        ["container", "context_management", "inference_geo", "mcp_servers", "speed"]
    );
    assert!(request.beyond.iter().all(|beyond| !beyond.essential));
    assert_eq!(request.betas, ["b"]);
    assert!(read(&json!({"messages": [], "speed": "standard"})).expect("ok").beyond.is_empty());
}

#[test]
fn vector_6_instructions_of_both_places_are_kept() {
    let body = json!({"system": "S", "messages": [
        {"role": "user", "content": "u"}, {"role": "system", "content": "M"}]});
    let request = read(&body).expect("a request");
    assert_eq!(request.system[0].text, "S");
    assert_eq!(request.turns[1].role, Role::System);
    assert!(matches!(&request.turns[1].parts[0], Part::Text { text, .. } if text == "M"));
}

#[test]
fn vector_32_every_text_of_a_result_is_kept() {
    let body = message(&json!([{"type": "tool_result", "tool_use_id": "a", "is_error": true,
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"type": "tool_result", "tool_use_id": "b"}]));
    let parts = read(&body).expect("a request").turns.remove(0).parts;
    let Part::ToolResult { content, is_error: true, .. } = &parts[0] else { panic!("{parts:?}") };
    assert!(
        matches!(&content[..], [ResultPart::Text(a), ResultPart::Text(b)] if a == "a" && b == "b")
    );
    assert!(matches!(&parts[1], Part::ToolResult { content, .. } if content.is_empty()));
}

#[test]
fn vector_33_a_picture_in_a_result_is_kept() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}});
    let body = message(&json!([{"type": "tool_result", "tool_use_id": "a", "content": [image]}]));
    let parts = read(&body).expect("a request").turns.remove(0).parts;
    let Part::ToolResult { content, .. } = &parts[0] else { panic!("{parts:?}") };
    let [ResultPart::Image(media)] = &content[..] else { panic!("{content:?}") };
    assert_eq!(media.field, "messages[0].content[0].content[0]");
    assert_eq!(media.source, Source::Base64("AA==".into()));
}

#[test]
fn vector_44_and_45_signatures_are_kept_to_the_byte() {
    let signature = "Eq+/=\u{1F600} \\n";
    let parts = answered(&json!({"type": "thinking", "thinking": "", "signature": signature}));
    let Part::Thinking { text, state: Some(state) } = &parts[0] else { panic!("{parts:?}") };
    assert_eq!((&**text, &*state.data, state.origin), ("", signature, Origin::Anthropic));
}

#[test]
fn vector_46_redacted_thinking_is_kept() {
    let parts = answered(&json!({"type": "redacted_thinking", "data": "x="}));
    let Part::Thinking { state: Some(state), .. } = &parts[0] else { panic!("{parts:?}") };
    assert!(state.redacted && state.data == "x=");
}

#[test]
fn thinking_without_a_signature_is_nobodys() {
    let parts = answered(&json!({"type": "thinking", "thinking": "t", "signature": ""}));
    assert!(matches!(&parts[0], Part::Thinking { state: None, .. }));
}

#[test]
fn the_input_of_a_call_is_kept_as_it_was_written() {
    let body = br#"{"messages":[{"role":"assistant","content":[
        {"type":"tool_use","id":"i","name":"f","input":{"b" : 1.0,"a":2}}]}]}"#;
    let request = MessagesDialect.read_request(body).expect("a request");
    let Part::ToolCall { arguments, .. } = &request.turns[0].parts[0] else { panic!("a call") };
    assert_eq!(arguments, r#"{"b" : 1.0,"a":2}"#);
}

#[test]
fn a_mark_on_the_request_is_one_on_its_last_block() {
    let body = json!({"cache_control": {"type": "ephemeral"}, "messages": [
        {"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}]});
    let turns = read(&body).expect("a request").turns;
    assert!(matches!(&turns[0].parts[0], Part::Text { cache: None, .. }));
    assert!(matches!(&turns[1].parts[0], Part::Text { cache: Some(_), .. }));
}

#[test]
fn zero_tokens_ask_for_no_answer() {
    let request = read(&json!({"max_tokens": 0, "messages": []})).expect("a request");
    assert_eq!(request.max_output_tokens, None);
    assert!(request.beyond[0].essential);
}

#[test]
fn documents_of_every_kind_are_read() {
    let source = |source: Value| {
        let body = message(&json!([{"type": "document", "title": "T", "source": source}]));
        let mut request = read(&body).expect("a request");
        match request.turns.remove(0).parts.pop() {
            Some(Part::Document(media)) => Some((media.source, media.name)),
            _ => {
                assert!(request.beyond[0].essential);
                None
            }
        }
    };
    let title = Some("T".to_owned());
    let blocks = json!({"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
    assert_eq!(source(blocks), Some((Source::Text("a\nb".into()), title.clone())));
    let plain = json!({"type": "text", "media_type": "text/plain", "data": "d"});
    assert_eq!(source(plain), Some((Source::Text("d".into()), title)));
    let pictures = json!({"type": "content", "content": [{"type": "image", "source": {}}]});
    assert_eq!(source(pictures), None);
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        (json!([]), "body"),
        (json!({}), "messages"),
        (json!({"messages": {}}), "messages"),
        (json!({"messages": [1]}), "messages[0]"),
        (json!({"messages": [{"role": "tool", "content": ""}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": 1}]}), "messages[0].content"),
        (message(&json!([{"type": "text"}])), "messages[0].content[0].text"),
        (message(&json!([{"type": "text", "text": 1}])), "messages[0].content[0].text"),
        (message(&json!([{"type": "image"}])), "messages[0].content[0].source"),
        (
            message(&json!([{"type": "tool_use", "id": "a", "name": "f", "input": "x"}])),
            "messages[0].content[0].input",
        ),
        (json!({"messages": [], "max_tokens": -1}), "max_tokens"),
        (json!({"messages": [], "temperature": "hot"}), "temperature"),
        (json!({"messages": [], "thinking": {"type": "enabled"}}), "thinking.budget_tokens"),
        (json!({"messages": [], "output_config": {"effort": "tiny"}}), "output_config.effort"),
        (json!({"messages": [], "tools": [{"input_schema": {}}]}), "tools[0].name"),
        (json!({"messages": [], "tool_choice": {"type": "x"}}), "tool_choice.type"),
        (json!({"messages": [], "system": 4}), "system"),
    ];
    for (body, param) in cases {
        assert_eq!(read(&body).expect_err("wrong").param, param, "{body}");
    }
    let twice = br#"{"messages":[{"role":"user","role":"user","content":""}]}"#;
    let error = MessagesDialect.read_request(twice).expect_err("wrong");
    assert_eq!(error.param, "messages[0].role");
}

#[test]
fn unknown_blocks_are_essential_and_citations_are_not() {
    let body = message(&json!([
        {"type": "text", "text": "a", "citations": [{}]},
        {"type": "text", "text": "b", "citations": [{}]},
        {"type": "server_tool_use", "id": "x"}, {"type": "future"}]));
    let request = read(&body).expect("a request");
    let said: Vec<(&str, bool)> =
        request.beyond.iter().map(|beyond| (&*beyond.field, beyond.essential)).collect();
    let expected = [("messages[0].content[0].citations", false), ("messages[0].content[2]", true)];
    assert_eq!(said, expected);
}
