//! What cannot be gone on with.

use bytes::Bytes;

use super::client::Frame;
use super::{broken_direct, text_event};
use crate::protocol::dialect::DialectId;
use crate::protocol::neutral::Event;
use crate::protocol::transcript::{Transcript, Unresumable};

#[test]
fn what_is_more_than_text_is_not_resumed() {
    let call =
        Event::ToolStart { choice: 0, call: 0, id: "c".into(), name: "f".into(), state: None };
    let refusal = Event::Refusal { choice: 0, text: "no".into() };
    let second = Event::Text { choice: 1, text: "b".into() };
    for (event, why) in [
        (call, Unresumable::ToolCall),
        (refusal, Unresumable::Refusal),
        (second, Unresumable::Choices),
    ] {
        let mut transcript = Transcript::new(DialectId::OpenAiChat);
        transcript.note(&text_event("a"));
        transcript.note(&event);
        assert_eq!(transcript.resumable(), Err(why));
    }
}

#[test]
fn readers_of_bytes_see_what_cannot_be_resumed() {
    use DialectId::{AnthropicMessages, BedrockConverse, Gemini, OpenAiChat, OpenAiResponses};
    let cases: &[(DialectId, Option<&str>, &str, Unresumable)] = &[
        (
            OpenAiChat,
            None,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a"}]}}]}"#,
            Unresumable::ToolCall,
        ),
        (
            OpenAiChat,
            None,
            r#"{"choices":[{"index":1,"delta":{"content":"a"}}]}"#,
            Unresumable::Choices,
        ),
        (OpenAiChat, None, r#"{"choices":[{"delta":{"refusal":"no"}}]}"#, Unresumable::Refusal),
        (
            OpenAiChat,
            None,
            r#"{"choices":[{"delta":{"content":"a","annotations":[{"type":"url_citation"}]}}]}"#,
            Unresumable::Citations,
        ),
        (
            OpenAiChat,
            None,
            r#"{"choices":[{"delta":{"audio":{"data":"AA=="}}}]}"#,
            Unresumable::Media,
        ),
        (
            AnthropicMessages,
            None,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use"}}"#,
            Unresumable::ToolCall,
        ),
        (
            AnthropicMessages,
            None,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use"}}"#,
            Unresumable::HostedTool,
        ),
        (
            AnthropicMessages,
            None,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta"}}"#,
            Unresumable::Citations,
        ),
        (
            OpenAiResponses,
            None,
            r#"{"type":"response.output_item.added","item":{"type":"web_search_call"}}"#,
            Unresumable::HostedTool,
        ),
        (
            OpenAiResponses,
            None,
            r#"{"type":"response.output_text.annotation.added"}"#,
            Unresumable::Citations,
        ),
        (
            Gemini,
            None,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}"#,
            Unresumable::ToolCall,
        ),
        (
            Gemini,
            None,
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"groundingMetadata":{}}]}"#,
            Unresumable::Citations,
        ),
        (
            BedrockConverse,
            Some("contentBlockStart"),
            r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"f"}}}"#,
            Unresumable::ToolCall,
        ),
        (
            BedrockConverse,
            Some("contentBlockDelta"),
            r#"{"contentBlockIndex":0,"delta":{"citation":{}}}"#,
            Unresumable::Citations,
        ),
    ];
    for (api, name, data, why) in cases {
        let data = Bytes::from_static(data.as_bytes());
        let frame = Frame { name: name.map(Into::into), raw: data.clone(), data };
        let (_, interrupted) = broken_direct(*api, &[frame]).expect("unfinished");
        assert_eq!(interrupted.expect_err("cannot go on"), *why, "{api:?}");
    }
}
