//! The requests that the load is made of.

use bytes::Bytes;

/// A client key of plausible length; the gateway's manifests hold it too.
pub(crate) const CLIENT_KEY: &str = "bench-key-0123456789abcdef0123456789abcdef";

/// A chat completion with about 2 KB of body: a system prompt, a turn and a question.
pub(crate) fn chat(stream: bool) -> Bytes {
    post("/v1/chat/completions", &body(stream))
}

/// The same for a client of Anthropic's Messages.
pub(crate) fn messages(stream: bool) -> Bytes {
    let body = body(stream);
    // The system prompt stands beside the messages there.
    let system = r#"{"role":"system","content":"#;
    let (head, rest) = body.split_once(system).expect("the body begins with a system prompt");
    let (text, rest) = rest.split_once("},").expect("more messages follow");
    let head = head.replacen(r#""messages":["#, "", 1);
    post("/v1/messages", &format!(r#"{head}"max_tokens":1024,"system":{text},"messages":[{rest}"#))
}

fn post(path: &str, body: &str) -> Bytes {
    format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer \
         {CLIENT_KEY}\r\ncontent-type: application/json\r\naccept: */*\r\nuser-agent: \
         bench/1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// The body alone, for clients that write their own head.
pub(crate) fn body(stream: bool) -> String {
    let stream = if stream { r#""stream":true,"# } else { "" };
    format!(
        concat!(
            r#"{{"model":"bench",{stream}"temperature":0.7,"messages":["#,
            r#"{{"role":"system","content":"{system}"}},"#,
            r#"{{"role":"user","content":"{turn}"}},"#,
            r#"{{"role":"assistant","content":"{turn}"}},"#,
            r#"{{"role":"user","content":"What follows from this?"}}]}}"#,
        ),
        stream = stream,
        system = "Answer briefly and from the text alone. ".repeat(20),
        turn = "A remark with some substance to it. ".repeat(14),
    )
}
