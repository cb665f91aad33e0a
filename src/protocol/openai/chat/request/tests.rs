use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::neutral::{
    Format, OpaqueState, Origin, Part, ResultPart, Role, Source, ToolChoice,
};

fn read_json(body: &serde_json::Value) -> Result<Request, Unreadable> {
    read(body.to_string().as_bytes())
}

fn messages(messages: &serde_json::Value) -> Request {
    read_json(&json!({"model": "m", "messages": messages})).expect("a request")
}

fn with(member: &str, value: &serde_json::Value) -> Result<Request, Unreadable> {
    read_json(&json!({"messages": [{"role": "user", "content": "hi"}], member: value}))
}

fn beyond_of(request: &Request) -> Vec<(&str, bool)> {
    request.beyond.iter().map(|entry| (&*entry.field, entry.essential)).collect()
}

#[test]
fn vector_5_instructions_keep_their_place() {
    let request = messages(&json!([
        {"role": "system", "content": "A"},
        {"role": "system", "content": ""},
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": [{"type": "text", "text": "B"}]},
    ]));
    assert_eq!(request.system.len(), 1);
    assert_eq!(request.system[0].text, "A");
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::System]);
    assert!(matches!(&request.turns[1].parts[..], [Part::Text { text, .. }] if text == "B"));
}

#[test]
fn vectors_1_and_2_arguments_stay_what_they_were() {
    let call = |arguments: serde_json::Value| {
        let function = json!({"name": "f", "arguments": arguments});
        let message = json!({"role": "assistant", "content": null,
            "tool_calls": [{"id": "a", "type": "function", "function": function}]});
        let request = messages(&json!([message]));
        match &request.turns[0].parts[..] {
            [Part::ToolCall { arguments, .. }] => arguments.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(call(json!("")), "");
    assert_eq!(call(json!(null)), "");
    assert_eq!(call(json!("[1,2]")), "[1,2]");
    assert_eq!(call(json!("not json")), "not json");
    assert_eq!(call(json!({"a": 1})), r#"{"a":1}"#);
}

#[test]
fn vector_25_the_newer_bound_wins() {
    let request = read_json(&json!({"messages": [{"role": "user", "content": "hi"}],
        "max_completion_tokens": 100, "max_tokens": 50}));
    assert_eq!(request.expect("a request").max_output_tokens, Some(100));
    assert_eq!(with("max_tokens", &json!(50)).expect("a request").max_output_tokens, Some(50));
}

#[test]
fn vector_15_a_schema_keeps_its_order_and_spelling() {
    let schema = r#"{"type":"object", "properties":{"b":{"maximum":1.50},"a":{}}}"#;
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":""}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]}}"#
    );
    let request = read(body.as_bytes()).expect("a request");
    assert_eq!(request.tools[0].schema.as_deref().map(RawValue::get), Some(schema));
}

#[test]
fn vector_36_results_are_turns_in_the_clients_order() {
    let request = messages(&json!([
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
        {"role": "tool", "tool_call_id": "c", "content": null},
    ]));
    let results: Vec<(&str, usize)> = request
        .turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .map(|part| match part {
            Part::ToolResult { id, content, .. } => (&**id, content.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(results, [("b", 1), ("a", 1), ("c", 0)]);
}

#[test]
fn every_kind_of_part_is_read() {
    let request = messages(&json!([
        {"role": "user", "content": [
            {"type": "text", "text": "see", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AA==", "detail": "low"}},
            {"type": "image_url", "image_url": "https://example.com/a.png"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "q.pdf"}},
            {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk="}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "new_thing", "x": 1},
        ]},
    ]));
    let parts = &request.turns[0].parts;
    assert!(
        matches!(&parts[0], Part::Text { cache: Some(mark), .. } if mark.ttl.as_deref() == Some("1h"))
    );
    let media: Vec<(&Source, Option<&str>)> = parts[1..]
        .iter()
        .map(|part| match part {
            Part::Image(media) | Part::Audio(media) | Part::Document(media) => {
                (&media.source, media.media_type.as_deref())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let here = Source::Base64("AA==".to_owned());
    assert_eq!(
        media,
        [
            (&here, Some("image/jpeg")),
            (&Source::Url("https://example.com/a.png".to_owned()), None),
            (&here, Some("audio/mpeg")),
            (&here, Some("application/pdf")),
            (&Source::Text("hi".to_owned()), Some("text/plain")),
            (&Source::File("file-1".to_owned()), None),
        ]
    );
    assert!(
        matches!(&parts[1], Part::Image(media) if media.field == "messages[0].content[1].image_url")
    );
    assert_eq!(beyond_of(&request), [("messages[0].content[7]", true)]);
}

#[test]
fn pictures_in_results_are_read() {
    let request = messages(&json!([{"role": "tool", "tool_call_id": "a", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]));
    let Part::ToolResult { content, .. } = &request.turns[0].parts[0] else { panic!("a result") };
    assert!(matches!(&content[..], [ResultPart::Image(_)]));
}

#[test]
fn reasoning_and_its_states_come_back() {
    let request = messages(&json!([{"role": "assistant", "content": "so",
        "reasoning_content": "hm",
        "thinking_blocks": [
            {"index": 0, "type": "thinking", "length": 2, "signature": "sig"},
            {"index": 1, "type": "redacted_thinking", "data": "pilothouse:openai:enc"}],
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "AB=="}}}]}]));
    let state = |origin, data: &str, redacted| {
        Some(OpaqueState { origin, data: data.to_owned(), redacted })
    };
    let parts = &request.turns[0].parts;
    let Part::Thinking { text, state: first } = &parts[0] else { panic!("thinking") };
    assert_eq!((&**text, first), ("hm", &state(Origin::Anthropic, "sig", false)));
    let Part::Thinking { text, state: second } = &parts[1] else { panic!("redacted") };
    assert_eq!((&**text, second), ("", &state(Origin::OpenAi, "enc", true)));
    assert!(matches!(&parts[2], Part::Text { text, .. } if text == "so"));
    let Part::ToolCall { state: call, .. } = &parts[3] else { panic!("a call") };
    assert_eq!(call, &state(Origin::Gemini, "AB==", false));
}

#[test]
fn reasoning_is_read_in_every_spelling() {
    let wanted = |member: &str, value: serde_json::Value| {
        with(member, &value).expect("a request").reasoning.expect("wanted")
    };
    assert_eq!(wanted("reasoning_effort", json!("high")).effort, Some(Effort::High));
    assert_eq!(wanted("reasoning", json!({"max_tokens": 5, "exclude": true})).visible, Some(false));
    let thinking = wanted("thinking", json!({"type": "enabled", "budget_tokens": 2000}));
    assert_eq!((thinking.budget, thinking.adaptive), (Some(2000), false));
    assert!(wanted("thinking", json!({"type": "adaptive"})).adaptive);
    assert_eq!(wanted("thinking", json!({"type": "disabled"})).effort, Some(Effort::None));
    assert_eq!(with("reasoning_effort", &json!(null)).expect("a request").reasoning, None);
}

#[test]
fn tools_and_the_choice_among_them_are_read() {
    let request = with(
        "tools",
        &json!([{"type": "function", "function": {"name": "f", "strict": true}},
                {"type": "custom", "custom": {"name": "c"}}]),
    )
    .expect("a request");
    assert_eq!((request.tools.len(), request.tools[0].strict), (1, Some(true)));
    assert_eq!(beyond_of(&request), [("tools[1]", true)]);
    let choice = |value: serde_json::Value| with("tool_choice", &value).expect("read").tool_choice;
    assert_eq!(choice(json!("required")), Some(ToolChoice::Required));
    let named = json!({"type": "function", "function": {"name": "f"}});
    assert_eq!(choice(named.clone()), Some(ToolChoice::Named("f".to_owned())));
    let allowed =
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}});
    let names = vec!["f".to_owned()];
    assert_eq!(choice(allowed), Some(ToolChoice::Allowed { names, required: true }));
    assert_eq!(choice(json!({"type": "custom", "custom": {"name": "c"}})), None);
}

#[test]
fn formats_are_read() {
    let format = |value: serde_json::Value| with("response_format", &value).map(|r| r.format);
    assert!(matches!(format(json!({"type": "text"})), Ok(None)));
    assert!(matches!(format(json!({"type": "json_object"})), Ok(Some(Format::JsonObject))));
    let schema =
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "array"}}});
    assert!(matches!(format(schema), Ok(Some(Format::JsonSchema { .. }))));
    let error = format(json!({"type": "json_schema"})).expect_err("no schema");
    assert_eq!(error.param, "response_format.json_schema");
}

#[test]
fn what_has_no_neutral_form_is_kept_apart() {
    let fields = |member: &str, value: serde_json::Value| {
        let request = with(member, &value).expect("a request");
        request.beyond.into_iter().map(|entry| entry.essential).collect::<Vec<_>>()
    };
    assert_eq!(fields("logit_bias", json!({"50256": -100})), [false]);
    assert!(fields("logit_bias", json!({})).is_empty());
    assert!(fields("store", json!(true)).is_empty());
    assert!(fields("modalities", json!(["text"])).is_empty());
    assert_eq!(fields("modalities", json!(["text", "audio"])), [true]);
    assert_eq!(fields("functions", json!([])), [true]);
    assert_eq!(fields("min_p", json!(0.1)), [false]);
    assert!(fields("min_p", json!(null)).is_empty());
}

#[test]
fn a_mistake_is_named() {
    let message = |value: serde_json::Value| {
        read_json(&json!({"messages": [{"role": "user", "content": "a"}, value]}))
            .expect_err("wrong")
            .to_string()
    };
    let part = |part: serde_json::Value| message(json!({"role": "user", "content": [part]}));
    assert_eq!(part(json!({"type": "text"})), "`messages[1].content[0].text` is missing");
    assert_eq!(
        part(json!({"type": "text", "text": 3})),
        "`messages[1].content[0].text` should be a string"
    );
    assert_eq!(
        part(json!({"type": "image_url", "image_url": {"url": "data:image/png,x"}})),
        "`messages[1].content[0].image_url.url` should be `data:TYPE;base64,DATA`"
    );
    assert_eq!(message(json!({"role": "user"})), "`messages[1].content` is missing");
    assert_eq!(
        message(json!({"role": "tool", "content": ""})),
        "`messages[1].tool_call_id` is missing"
    );
    assert_eq!(message(json!(["user", "hi"])), "`messages[1]` should be an object");
    assert_eq!(
        message(json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": 1}}]})),
        "`messages[1].tool_calls[0].function.name` should be a string"
    );
    assert_eq!(with("temperature", &json!("hot")).expect_err("wrong").param, "temperature");
    assert_eq!(with("top_logprobs", &json!(3)).expect_err("wrong").param, "top_logprobs");
    assert_eq!(
        with("reasoning_effort", &json!("huge")).expect_err("wrong").param,
        "reasoning_effort"
    );
    assert_eq!(read(b"{}").expect_err("none").param, "messages");
    assert_eq!(read_json(&json!({"messages": []})).expect_err("none").param, "messages");
}

fn nested() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1".to_owned()),
        Just("-2.5e3".to_owned()),
        Just("\"text\"".to_owned()),
        Just("\"function\"".to_owned()),
        Just("\"data:image/png;base64,é\"".to_owned()),
    ];
    let names = "role|content|type|text|tool_calls|function|name|arguments|messages|tools|url|image_url|thinking_blocks|json_schema";
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::vec((names, inner), 0..5).prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(body: Vec<u8>) {
        let _ = read(&body);
    }

    #[test]
    fn any_nesting_is_refused_or_read(messages in nested(), tools in nested(), other in nested()) {
        let body = format!(
            r#"{{"messages":[{messages}],"tools":[{tools}],"response_format":{other},"tool_choice":{other},"stop":{other}}}"#
        );
        let _ = read(body.as_bytes());
        let _ = read(format!(r#"{{"messages":[{{"role":"assistant","content":{other},"tool_calls":[{tools}]}}]}}"#).as_bytes());
    }
}
