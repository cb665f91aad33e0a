use proptest::prelude::*;
use serde_json::{Value, json};

use super::streams_read::read as read_stream;
use super::streams_written::write as write_stream;
use super::*;
use crate::protocol::neutral::{Event, Finish, OpaqueState, Origin};

/// JSON made of the API's own words, so that it gets far.
fn words() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "text|image|base64|tool_use|tool_result|thinking|user|assistant|json_schema|[a-z{}\"]{0,4}"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = "type|text|role|content|messages|system|source|tools|tool_choice|thinking|input|\
                    index|delta|content_block|usage|message|name|id|stop_reason|input_schema|data|[a-z]";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..5).prop_map(|members| {
                Value::Object(members.into_iter().collect())
            }),
        ]
    })
}

fn body() -> impl Strategy<Value = Value> {
    (words(), words(), words(), words()).prop_map(|(messages, system, tools, thinking)| {
        json!({"messages": messages, "system": system, "tools": tools, "thinking": thinking})
    })
}

fn decode_everything(data: &[u8]) {
    let _ = MessagesDialect.read_request(data);
    let _ = MessagesDialect.read_reply(data);
    let mut reader = MessagesDialect.event_reader();
    let mut events = Vec::new();
    for name in [None, Some("content_block_start"), Some("content_block_delta")] {
        let _ = reader.read(name, data, &mut events);
    }
    reader.close(&mut events);
}

/// Steps of a stream as readers promise them: no two blocks of text in a row, calls one by one.
fn steps() -> impl Strategy<Value = Vec<Event>> {
    let step = prop_oneof![
        "[ -~]{1,5}".prop_map(|text| vec![Event::Text { choice: 0, text }]),
        ("[ -~]{0,5}", "[!-~]{1,9}").prop_map(|(text, data)| {
            let state = OpaqueState { origin: Origin::Anthropic, data, redacted: false };
            let text = Some(text).filter(|text| !text.is_empty());
            let thinking = text.map(|text| Event::Thinking { choice: 0, text });
            let state = Event::ThinkingState { choice: 0, state };
            thinking.into_iter().chain([state, Event::ThinkingEnd { choice: 0 }]).collect()
        }),
        "[!-~]{1,9}".prop_map(|text| {
            let start = Event::ToolStart {
                choice: 0,
                call: 0,
                id: "c".into(),
                name: "f".into(),
                state: None,
            };
            let arguments = Event::ToolArguments { choice: 0, call: 0, text };
            vec![start, arguments, Event::ToolEnd { choice: 0, call: 0 }]
        }),
    ];
    proptest::collection::vec(step, 0..6).prop_map(|steps| {
        let mut events = vec![Event::Start { id: "msg_1".into(), model: "claude".into() }];
        let mut calls = 0;
        for mut event in steps.into_iter().flatten() {
            match &mut event {
                Event::ToolStart { call, .. } | Event::ToolArguments { call, .. } => *call = calls,
                Event::ToolEnd { call, .. } => {
                    *call = calls;
                    calls += 1;
                }
                _ => {}
            }
            events.push(event);
        }
        let reason = if calls > 0 { Finish::ToolCalls } else { Finish::Stop };
        events.push(Event::Finish { choice: 0, reason });
        events.push(Event::End);
        events
    })
}

fn without_counts(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().filter(|event| !matches!(event, Event::Usage(_))).collect()
}

proptest! {
    #[test]
    fn no_bytes_stop_a_decoder(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode_everything(&data);
    }

    #[test]
    fn any_json_is_read_or_refused(value in words(), body in body()) {
        decode_everything(value.to_string().as_bytes());
        if let Ok(request) = read(&body) {
            let facts = ModelFacts::default();
            let _ = send_as(&request, &facts, &Quirks::COMPATIBLE, Compatibility::Lenient);
        }
    }

    #[test]
    fn a_stream_goes_there_and_back(events in steps()) {
        let back = read_stream(&write_stream(&events));
        prop_assert_eq!(without_counts(back), events);
    }

    #[test]
    fn nothing_is_too_deep(depth in 0_usize..3000) {
        let nested = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":{nested}}}],"tools":[{{"name":"f","strict":true,"input_schema":{{"items":{nested}}}}}]}}"#
        );
        let request = MessagesDialect.read_request(body.as_bytes());
        prop_assert!(request.is_err());
        let schemas = format!("{}1{}", "{\"items\":".repeat(depth), "}".repeat(depth));
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"x"}}],"tools":[{{"name":"f","strict":true,"input_schema":{{"items":{schemas}}}}}]}}"#
        );
        let request = MessagesDialect.read_request(body.as_bytes()).expect("a request");
        let facts = ModelFacts::default();
        let target = TargetView { model: "m", facts: &facts, quirks: &Quirks::COMPATIBLE };
        let mut crossing = Crossing::new(Compatibility::Standard);
        prop_assert!(MessagesDialect.write_request(&request, &target, &mut crossing).is_ok());
    }
}

/// What the API can say comes back from its own form as it was.
#[test]
fn a_request_goes_there_and_back() {
    let body = json!({
        "model": "claude-x", "max_tokens": 9000, "stream": true,
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "5m"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "u"},
                {"type": "image", "source": {"type": "url", "url": "https://a/b"}},
                {"type": "document", "title": "T", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "is_error": true, "content": [
                    {"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
                {"type": "text", "text": "go", "cache_control": {"type": "ephemeral"}}]},
        ],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}},
                   "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "summarized"},
        "output_config": {"format": {"type": "json_schema", "schema": {
            "type": "object", "properties": {}, "additionalProperties": false}}},
        "stop_sequences": ["x"], "metadata": {"user_id": "u"}, "service_tier": "auto",
    });
    let sent = send(&read(&body).expect("a request"));
    assert_eq!(sent.body, body);
    assert!(sent.warnings.is_empty(), "{:?}", sent.warnings);
}
