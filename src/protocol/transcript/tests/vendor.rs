//! Streams as vendors really send them, cut and gone on with.

use bytes::Bytes;
use serde_json::Value;

use super::client::{self, Frame, frames};
use super::{Mode, SECOND, answer, broken_direct, go_on};
use crate::protocol::dialect::DialectId;
use crate::wire::sse::encode_event;

/// Frames of events that name themselves.
fn sent(data: &[&str]) -> Vec<Frame> {
    let frame = |data: &&str| {
        let named: Value = serde_json::from_str(data).expect("JSON");
        let name = named["type"].as_str().map(str::to_owned);
        let raw = encode_event(name.as_deref(), data.as_bytes());
        Frame { name, data: Bytes::copy_from_slice(data.as_bytes()), raw }
    };
    data.iter().map(frame).collect()
}

/// The events that the client gets after the break, where the next target says ` world.`.
fn rest(api: DialectId, data: &[&str]) -> Vec<Value> {
    let (bytes, interrupted) = broken_direct(api, &sent(data)).expect("unfinished");
    let interrupted = interrupted.expect("text alone");
    assert_eq!(interrupted.transcript().text(), client::read(api, &bytes).text);
    let next = answer(DialectId::OpenAiChat, &SECOND, None, &[" world."]);
    let mut out = Vec::new();
    go_on(interrupted, DialectId::OpenAiChat, Mode::Prefill, &next, &mut out);
    let whole = [bytes, out.clone()].concat();
    assert!(client::read(api, &whole).text.ends_with(" world."));
    client::check(api, &whole);
    let all = frames(api, out.into());
    all.iter().filter_map(|frame| serde_json::from_slice(&frame.data).ok()).collect()
}

#[test]
fn responses_with_reasoning_that_shows_nothing() {
    let rest = rest(
        DialectId::OpenAiResponses,
        &[
            r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_a","created_at":1700000000,"model":"gpt-5","output":[]}}"#,
            r#"{"type":"response.in_progress","sequence_number":1,"response":{"id":"resp_a"}}"#,
            r#"{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"rs_a","type":"reasoning","summary":[]}}"#,
            r#"{"type":"response.output_item.done","sequence_number":3,"output_index":0,"item":{"id":"rs_a","type":"reasoning","summary":[]}}"#,
            r#"{"type":"response.output_item.added","sequence_number":4,"output_index":1,"item":{"id":"msg_a","type":"message","content":[]}}"#,
            r#"{"type":"response.content_part.added","sequence_number":5,"output_index":1,"item_id":"msg_a","content_index":0,"part":{"type":"output_text","text":""}}"#,
            r#"{"type":"response.output_text.delta","sequence_number":6,"output_index":1,"item_id":"msg_a","content_index":0,"delta":"Hel","obfuscation":"x"}"#,
            r#"{"type":"response.output_text.delta","sequence_number":7,"output_index":1,"item_id":"msg_a","content_index":0,"delta":"lo,"}"#,
        ],
    );
    assert_eq!(rest[0]["type"], "response.output_text.delta");
    assert_eq!((&rest[0]["item_id"], &rest[0]["output_index"]), (&"msg_a".into(), &1.into()));
    let end = &rest[rest.len() - 1]["response"];
    assert_eq!((&end["id"], &end["model"]), (&"resp_a".into(), &"gpt-5".into()));
    assert_eq!(end["created_at"], 1_700_000_000);
    assert_eq!(end["output"][1]["content"][0]["text"], "Hello, world.");
}

#[test]
fn responses_cut_before_the_first_word() {
    let rest = rest(
        DialectId::OpenAiResponses,
        &[
            r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_a","model":"gpt-5"}}"#,
            r#"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_a","type":"message","content":[]}}"#,
        ],
    );
    assert_eq!(rest[0]["type"], "response.content_part.added");
    assert_eq!(rest[0]["item_id"], "msg_a");
}

#[test]
fn an_error_that_the_client_does_not_see_takes_no_number() {
    let rest = rest(
        DialectId::OpenAiResponses,
        &[
            r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_a","model":"gpt-5"}}"#,
            r#"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_a","type":"message","content":[]}}"#,
            r#"{"type":"error","sequence_number":2,"code":"server_error","message":"gone"}"#,
        ],
    );
    assert_eq!(rest[0]["sequence_number"], 2);
}

#[test]
fn azures_first_chunk_is_about_the_prompt() {
    let rest = rest(
        DialectId::OpenAiChat,
        &[
            r#"{"id":"c","created":5,"model":"gpt-4o","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"system_fingerprint":"f"}"#,
            r#"{"id":"c","created":5,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"Hello,"},"logprobs":null,"finish_reason":null,"content_filter_results":{}}]}"#,
        ],
    );
    assert_eq!(rest[0]["choices"][0]["delta"], serde_json::json!({"content": " world."}));
    assert_eq!((&rest[0]["id"], &rest[0]["created"]), (&"c".into(), &5.into()));

    let azure = sent(&[
        r#"{"id":"","created":0,"model":"","choices":[],"prompt_filter_results":[]}"#,
        r#"{"id":"c","created":5,"model":"gpt-4o","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello,"}}]}"#,
    ]);
    let (_, interrupted) = broken_direct(DialectId::OpenAiChat, &azure).expect("unfinished");
    let interrupted = interrupted.expect("text alone");
    assert_eq!(interrupted.transcript().text(), "Hello,");
    let next = answer(DialectId::OpenAiChat, &SECOND, None, &[" world."]);
    let mut out = Vec::new();
    go_on(interrupted, DialectId::OpenAiChat, Mode::Prefill, &next, &mut out);
    let first: Value =
        serde_json::from_slice(&frames(DialectId::OpenAiChat, out.into())[0].data).expect("JSON");
    assert_eq!((&first["model"], &first["created"]), (&"gpt-4o".into(), &5.into()));
}

#[test]
fn claude_cut_within_an_empty_block() {
    let rest = rest(
        DialectId::AnthropicMessages,
        &[
            r#"{"type":"message_start","message":{"id":"msg_a","model":"claude","usage":{"input_tokens":9,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        ],
    );
    assert_eq!((&rest[0]["type"], &rest[0]["index"]), (&"content_block_delta".into(), &1.into()));
    let counts = &rest.iter().find(|event| event["type"] == "message_delta").expect("one")["usage"];
    assert_eq!(counts["input_tokens"], 9);
}

#[test]
fn gemini_counts_in_every_event() {
    let rest = rest(
        DialectId::Gemini,
        &[
            r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1},"modelVersion":"gemini-3","responseId":"g"}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"lo,"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2},"modelVersion":"gemini-3","responseId":"g"}"#,
        ],
    );
    let end = &rest[rest.len() - 1];
    assert_eq!(end["responseId"], "g");
    // Two of the first, and seven of the second.
    assert_eq!(end["usageMetadata"]["promptTokenCount"], 4);
    assert_eq!(end["usageMetadata"]["candidatesTokenCount"], 9);
}
