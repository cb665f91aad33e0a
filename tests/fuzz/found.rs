//! What the fuzzer found, each by its name.

use http::HeaderMap;
use pilothouse::protocol::Malformed;
use pilothouse::protocol::dialect::{ClientView, DialectId, TargetView, Undo};
use pilothouse::protocol::embeddings::EmbeddingsId;
use pilothouse::protocol::hub::StreamTranslator;
use pilothouse::protocol::neutral::{Compatibility, Crossing, Event};
use pilothouse::protocol::registry::OPERATIONS;
use pilothouse::provider::{models, registry};
use serde_json::{Value, json};

use crate::suite;

/// The field that a request is refused for.
fn refused(dialect: DialectId, body: &Value) -> String {
    let read = dialect.dialect().read_request(body.to_string().as_bytes());
    read.map(|_| ()).expect_err("it is wrong").param
}

#[test]
fn a_request_that_says_nothing_is_written_for_nobody() {
    let body = json!({"contents": [{"parts": []}]}).to_string();
    let request = DialectId::Gemini.dialect().read_request(body.as_bytes()).expect("a request");
    let (model, provider) = ("gpt-4.1", registry::find("openai").expect("a row"));
    let target = TargetView { model, facts: models::facts(model), quirks: &provider.quirks };
    for dialect in [DialectId::OpenAiChat, DialectId::OpenAiResponses] {
        let mut crossing = Crossing::new(Compatibility::Lenient);
        let lost = dialect.dialect().write_request(&request, &target, &mut crossing);
        let lost = lost.map(|_| ()).expect_err("there is nothing to answer");
        assert_eq!(lost.param, "messages", "{lost}");
    }
}

#[test]
fn an_empty_name_in_a_request_is_named() {
    let said = json!([{"role": "user", "content": "hi"}]);
    let call = json!({"type": "function_call", "call_id": "c", "name": "", "arguments": "{}"});
    let cases = [
        (
            DialectId::OpenAiResponses,
            json!({"input": "hi", "tools": [{"type": "function", "name": ""}]}),
            "tools[0].name",
        ),
        (DialectId::OpenAiResponses, json!({"input": [call]}), "input[0].name"),
        (
            DialectId::AnthropicMessages,
            json!({"max_tokens": 1, "messages": said, "tools": [{"name": "", "input_schema": {}}]}),
            "tools[0].name",
        ),
        (
            DialectId::AnthropicMessages,
            json!({"max_tokens": 1, "messages": [{"role": "assistant", "content": [
                {"type": "tool_use", "id": "", "name": "f", "input": {}},
            ]}]}),
            "messages[0].content[0].id",
        ),
        (
            DialectId::BedrockConverse,
            json!({"messages": [], "toolConfig": {"tools": [{"toolSpec": {"name": ""}}]}}),
            "toolConfig.tools[0].toolSpec.name",
        ),
        (
            DialectId::OpenAiChat,
            json!({"messages": [{"role": "assistant", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "", "arguments": "{}"}},
            ]}]}),
            "messages[0].tool_calls[0].function.name",
        ),
    ];
    for (dialect, body, field) in cases {
        assert_eq!(refused(dialect, &body), field, "{dialect:?} {body}");
    }
}

#[test]
fn a_schema_that_is_no_object_is_named() {
    let spec = json!({"name": "f", "inputSchema": {"json": [{}]}});
    let cases = [
        (
            DialectId::BedrockConverse,
            json!({"messages": [], "toolConfig": {"tools": [{"toolSpec": spec}]}}),
            "toolConfig.tools[0].toolSpec.inputSchema.json",
        ),
        (
            DialectId::Gemini,
            json!({"contents": [], "tools": [{"functionDeclarations": [
                {"name": "f", "parametersJsonSchema": 1},
            ]}]}),
            "tools[0].functionDeclarations[0].parametersJsonSchema",
        ),
        (
            DialectId::Gemini,
            json!({"contents": [], "generationConfig": {
                "responseMimeType": "application/json", "responseJsonSchema": [],
            }}),
            "generationConfig.responseJsonSchema",
        ),
    ];
    for (dialect, body, field) in cases {
        assert_eq!(refused(dialect, &body), field, "{dialect:?} {body}");
    }
}

#[test]
fn a_schema_whose_type_is_null_is_one_of_an_object() {
    for (schema, written) in [
        (r#"{"properties":{},"type":null}"#, r#"{"properties":{},"type":"object"}"#),
        (r#"{"type":"a","type":null}"#, r#"{"type":"a","type":null}"#),
        ("{}", r#"{"type":"object"}"#),
    ] {
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":[{{"type":"function",
            "function":{{"name":"f","parameters":{schema}}}}}]}}"#
        );
        let request = DialectId::OpenAiChat.dialect().read_request(body.as_bytes());
        let (model, provider) = ("amazon.nova-pro-v1:0", registry::find("bedrock").expect("a row"));
        let target = TargetView { model, facts: models::facts(model), quirks: &provider.quirks };
        let mut crossing = Crossing::new(Compatibility::Standard);
        let converse = DialectId::BedrockConverse.dialect();
        let body = converse.write_request(&request.expect("a request"), &target, &mut crossing);
        let body = String::from_utf8(body.expect("it crosses").body.to_vec()).expect("JSON");
        assert!(body.contains(&format!(r#""inputSchema":{{"json":{written}}}"#)), "{body}");
    }
}

#[test]
fn a_call_without_a_name_is_no_call() {
    let converse = json!({"output": {"message": {"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "c", "name": "", "input": {}}},
    ]}}, "stopReason": "tool_use"});
    assert!(DialectId::BedrockConverse.dialect().read_reply(&bytes(&converse)).is_err());

    let messages = json!({"type": "message", "role": "assistant", "content": [
        {"type": "tool_use", "id": "c", "name": "", "input": {}},
    ], "stop_reason": "tool_use"});
    let responses = json!({"object": "response", "status": "completed", "output": [
        {"type": "function_call", "call_id": "c", "name": "", "arguments": "{}"},
    ]});
    for (dialect, body) in
        [(DialectId::AnthropicMessages, messages), (DialectId::OpenAiResponses, responses)]
    {
        let reply = dialect.dialect().read_reply(&bytes(&body)).expect("an answer");
        assert!(reply.choices.iter().all(|choice| choice.output.is_empty()), "{reply:?}");
    }
}

#[test]
fn nothing_follows_the_end_of_an_answer() {
    let mut reader = DialectId::AnthropicMessages.dialect().event_reader();
    let mut events = Vec::new();
    for frame in [
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "late"}}),
        json!({"type": "message_stop"}),
    ] {
        reader.read(None, &bytes(&frame), &mut events).expect("an event");
    }
    assert!(!events.iter().any(|event| matches!(event, Event::Text { .. })), "{events:?}");
    assert_eq!(events.last(), Some(&Event::End));
}

#[test]
fn a_name_of_a_model_is_decoded_by_digits_alone() {
    let text = suite::all().into_iter().find(|target| target.name == "text").expect("a target");
    text.run(b"/model/a%+5/converse");
    assert!(pilothouse::protocol::registry::operation("/model/a%+5/converse").is_none());
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[test]
fn members_that_only_google_knows_keep_their_order() {
    let config = r#""generationConfig":{"maxOutputTokens":9,"c":1,"b":2,"a":3}"#;
    let body = format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"hi"}}]}}],{config}}}"#);
    let dialect = DialectId::Gemini.dialect();
    let request = dialect.read_request(body.as_bytes()).expect("a request");
    let (model, provider) = ("gemini-2.5-flash", registry::find("gemini").expect("a row"));
    let target = TargetView { model, facts: models::facts(model), quirks: &provider.quirks };
    let mut crossing = Crossing::new(Compatibility::Standard);
    let written = dialect.write_request(&request, &target, &mut crossing).expect("it is its own");
    let written = String::from_utf8_lossy(&written.body);
    assert!(written.contains(config), "{written}");
}

#[test]
fn what_is_no_media_type_is_named() {
    let source = json!({"type": "base64", "media_type": "i,age/png", "data": "AAAA"});
    let messages = json!([{"role": "user", "content": [{"type": "image", "source": source}]}]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": messages});
    let field = "messages[0].content[0].source.media_type";
    assert_eq!(refused(DialectId::AnthropicMessages, &body), field);
    let parts = json!([{"inlineData": {"mimeType": "image", "data": "AAAA"}}]);
    let body = json!({"contents": [{"role": "user", "parts": parts}]});
    assert_eq!(refused(DialectId::Gemini, &body), "contents[0].parts[0].inlineData.mimeType");

    let content = |dialect: DialectId, part: Value| {
        let turns = json!([{"role": "user", "content": [part]}]);
        match dialect {
            DialectId::OpenAiResponses => json!({"model": "m", "input": turns}),
            _ => json!({"model": "m", "messages": turns}),
        }
    };
    let sound = json!({"data": "AAAA", "format": "a:b"});
    let cases = [
        (
            DialectId::OpenAiChat,
            json!({"type": "file", "file": {"file_data": "data:appl;base64,AAAA"}}),
            "messages[0].content[0].file.file_data",
        ),
        (
            DialectId::OpenAiChat,
            json!({"type": "input_audio", "input_audio": sound}),
            "messages[0].content[0].input_audio.format",
        ),
        (
            DialectId::OpenAiResponses,
            json!({"type": "input_file", "file_data": "data:appl;base64,AAAA"}),
            "input[0].content[0].file_data",
        ),
        (
            DialectId::OpenAiResponses,
            json!({"type": "input_audio", "input_audio": sound}),
            "input[0].content[0].input_audio.format",
        ),
        (
            DialectId::BedrockConverse,
            json!({"document": {"format": "pdf:", "name": "n", "source": {"bytes": "AAAA"}}}),
            "messages[0].content[0].document.format",
        ),
    ];
    for (dialect, part, field) in cases {
        assert_eq!(refused(dialect, &content(dialect, part)), field, "{dialect:?}");
    }
}

/// Reads a stream of server-sent events, and what its events are.
fn streamed(dialect: DialectId, frames: &[(&str, Value)]) -> Result<Vec<Event>, Malformed> {
    let mut reader = dialect.dialect().event_reader();
    let mut events = Vec::new();
    for (name, frame) in frames {
        reader.read(Some(name), &bytes(frame), &mut events)?;
    }
    Ok(events)
}

#[test]
fn a_call_that_is_whole_gets_no_more_once_the_next_has_begun() {
    let begin = |index: u64, name: &str| {
        let block = json!({"type": "tool_use", "id": name, "name": name, "input": {}});
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        ("content_block_start", start)
    };
    let more = |index: u64, text: &str| {
        let delta = json!({"type": "input_json_delta", "partial_json": text});
        ("content_block_delta", json!({"index": index, "delta": delta}))
    };
    let id = DialectId::AnthropicMessages;
    let interleaved = [begin(0, "f"), more(0, "{"), begin(1, "g"), more(0, "}"), more(0, " ")];
    assert!(streamed(id, &interleaved).is_ok());
    assert!(streamed(id, &[begin(0, "f"), more(0, "{}"), more(0, "{}")]).is_ok());
    let late = [begin(0, "f"), more(0, "{}"), begin(1, "g"), more(0, "{}")];
    assert_eq!(streamed(id, &late), Err(Malformed));

    let begin = |index: u64, name: &str| {
        let start = json!({"toolUse": {"toolUseId": name, "name": name}});
        ("contentBlockStart", json!({"contentBlockIndex": index, "start": start}))
    };
    let more = |index: u64, text: &str| {
        let delta = json!({"toolUse": {"input": text}});
        ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}))
    };
    let late = [begin(0, "f"), more(0, "{}"), begin(1, "g"), more(0, "{}")];
    assert_eq!(streamed(DialectId::BedrockConverse, &late), Err(Malformed));

    let begin = |index: u64, name: &str| {
        let item = json!({"type": "function_call", "call_id": name, "name": name});
        let kind = "response.output_item.added";
        (kind, json!({"output_index": index, "item": item}))
    };
    let more = |index: u64, text: &str| {
        let kind = "response.function_call_arguments.delta";
        (kind, json!({"output_index": index, "delta": text}))
    };
    let late = [begin(0, "f"), more(0, "{}"), begin(1, "g"), more(0, "{}")];
    assert_eq!(streamed(DialectId::OpenAiResponses, &late), Err(Malformed));
}

#[test]
fn an_answer_that_nobody_asked_for_ends_no_other() {
    let frames = [
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}},
        ]}}]}),
        json!({"choices": [{"index": 5, "delta": {}, "finish_reason": "stop"}]}),
    ];
    let client = ClientView {
        model: "m",
        request_id: "r",
        created: 1,
        include_usage: false,
        stand_ins: &[],
    };
    let chat = DialectId::OpenAiChat.dialect();
    let gemini = DialectId::Gemini.dialect();
    let mut translator = StreamTranslator::new(chat, gemini, Undo::default(), &client, 1);
    let row = OPERATIONS.iter().find(|row| row.dialect == Some(DialectId::OpenAiChat));
    let mut passed = row.expect("a row").answers.stream(1);
    for frame in &frames {
        translator.read(None, &bytes(frame), &mut Vec::new()).expect("a chunk");
        passed.read(None, &bytes(frame)).expect("a chunk");
    }
    assert!(!translator.finished() && !passed.finished(), "the call was cut");
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]});
    translator.read(None, &bytes(&end), &mut Vec::new()).expect("a chunk");
    passed.read(None, &bytes(&end)).expect("a chunk");
    assert!(translator.finished() && passed.finished());
}

#[test]
fn counts_that_are_too_large_stay_so() {
    let prediction = json!({"embeddings": {"values": [1], "statistics": {"token_count": 1e300}}});
    let body = bytes(&json!({"predictions": [prediction, prediction]}));
    let embedded = EmbeddingsId::Vertex.api().read(&HeaderMap::new(), &body).expect("vectors");
    assert_eq!(embedded.tokens, Some(u64::MAX));
}
