//! The bytes that the upstream answers with: chat completions as OpenAI spells them.

use std::fmt::Write as _;

use bytes::Bytes;

/// A plain answer of about 1.5 KB, head included.
pub(crate) fn plain() -> Bytes {
    let body = format!(
        concat!(
            r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1750000000,"#,
            r#""model":"bench","choices":[{{"index":0,"message":{{"role":"assistant","#,
            r#""content":"{text}"}},"finish_reason":"stop"}}],"#,
            r#""usage":{{"prompt_tokens":420,"completion_tokens":230,"total_tokens":650}}}}"#,
        ),
        text = "A sentence of plausible length. ".repeat(36),
    );
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// The head of a stream and its first event, which names the role.
pub(crate) fn stream_head() -> Bytes {
    let mut head = String::from(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    push_event(&mut head, &choice(r#"{"role":"assistant","content":""}"#, "null"));
    head.into()
}

/// One event with a word of text: about 180 bytes, as providers send them.
pub(crate) fn text_event() -> Bytes {
    let mut event = String::new();
    push_event(&mut event, &choice(r#"{"content":" plausible"}"#, "null"));
    event.into()
}

/// Finish reason, usage and the end marker, in one write.
pub(crate) fn stream_end(completion_tokens: u32) -> Bytes {
    let mut end = String::new();
    push_event(&mut end, &choice("{}", r#""stop""#));
    push_event(
        &mut end,
        &format!(
            concat!(
                r#"{{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1750000000,"#,
                r#""model":"bench","choices":[],"usage":{{"prompt_tokens":420,"#,
                r#""completion_tokens":{},"total_tokens":{}}}}}"#,
            ),
            completion_tokens,
            completion_tokens + 420,
        ),
    );
    push_event(&mut end, "[DONE]");
    end.push_str("0\r\n\r\n");
    end.into()
}

fn choice(delta: &str, finish_reason: &str) -> String {
    format!(
        concat!(
            r#"{{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1750000000,"#,
            r#""model":"bench","choices":[{{"index":0,"delta":{},"finish_reason":{}}}]}}"#,
        ),
        delta, finish_reason,
    )
}

/// Appends an event as a chunk of its own.
fn push_event(out: &mut String, data: &str) {
    // "data: " and the blank line are 8 bytes.
    write!(out, "{:x}\r\ndata: {data}\n\n\r\n", data.len() + 8)
        .expect("writing to a string cannot fail");
}
