//! Requests that pass as bytes to a server that fetches nothing: the URLs of their pictures are
//! exchanged, and nothing else.

use bytes::Bytes;
use memchr::{memchr, memmem, memrchr};
use serde::Deserialize;

use super::Files;
use crate::protocol::dialect::DialectId;
use crate::proxy::resolve::Resolved;
use crate::table::Upstream;

/// The key of a picture's address, in chat completions and in messages alike.
const KEY: &[u8] = b"\"url\"";

/// The source of a picture or document in messages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    url: String,
}

/// Whether a request that would pass as it is names pictures that the target does not fetch. A
/// glance at the text: requests without any must stay cheap.
pub(super) fn names_urls(resolved: &Resolved, upstream: &Upstream) -> bool {
    let passes = matches!(
        resolved.operation.dialect,
        Some(DialectId::OpenAiChat | DialectId::AnthropicMessages)
    );
    passes
        && !upstream.provider.quirks.image_urls
        && memmem::find(resolved.object.text(), KEY).is_some()
}

/// The body with data in the place of every URL that was fetched; `None` if there is none.
pub(in crate::proxy) fn pass_with_bytes(body: &[u8], files: &Files) -> Option<Bytes> {
    if files.is_empty() {
        return None;
    }
    let mut written = Vec::new();
    let mut copied = 0;
    // Inside a text the key's quotes would be escaped, so what is found is a key or a text of its
    // own, which no colon follows.
    for at in memmem::find_iter(body, KEY) {
        let Some((start, end)) = value_after(body, at + KEY.len()) else { continue };
        let Ok(url) = serde_json::from_slice::<String>(&body[start..end]) else { continue };
        let exchanged = match source_around(body, at, end) {
            Some((start, end)) => files.source(&url).map(|source| (start, end, source)),
            None => files.data_url(&url).map(|data| (start, end, format!("\"{data}\""))),
        };
        let Some((start, end, value)) = exchanged else { continue };
        written.extend_from_slice(&body[copied..start]);
        written.extend_from_slice(value.as_bytes());
        copied = end;
    }
    if written.is_empty() {
        return None;
    }
    written.extend_from_slice(&body[copied..]);
    Some(written.into())
}

/// Where the object is that says `{"type": "url", "url": …}` and no more, if the key at `key`, whose
/// value ends at `end`, stands in one.
fn source_around(body: &[u8], key: usize, end: usize) -> Option<(usize, usize)> {
    let start = memrchr(b'{', &body[..key])?;
    let end = end + memchr(b'}', &body[end..])? + 1;
    let source: Source = serde_json::from_slice(&body[start..end]).ok()?;
    (source.kind == "url" && !source.url.is_empty()).then_some((start, end))
}

/// Where the text is that stands after a key: its quotes included.
fn value_after(body: &[u8], key_end: usize) -> Option<(usize, usize)> {
    let skip = |mut at: usize| {
        while body.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    };
    let colon = skip(key_end);
    body.get(colon).filter(|byte| **byte == b':')?;
    let start = skip(colon + 1);
    body.get(start).filter(|byte| **byte == b'"')?;
    let mut at = start + 1;
    loop {
        match body.get(at)? {
            b'"' => return Some((start, at + 1)),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::File;
    use super::*;
    use crate::protocol::neutral::Fetched;
    use crate::proxy::budget::Budget;

    fn files(url: &str) -> Files {
        let gauge = prometheus::IntGauge::new("held", "held").expect("a name");
        let reservation = Budget::new(1, gauge).reserve(0).expect("room");
        let fetched = Fetched { data: "QUJD".into(), media_type: "image/png" };
        let files = Files::default();
        files.0.lock().insert(url.into(), File { fetched, _reservation: reservation });
        files
    }

    #[test]
    fn the_urls_of_pictures_are_exchanged_and_nothing_else() {
        let files = files("https://a.example/b.png");
        let body = br#"{"x": 1.0, "m":[{"image_url":{ "url" : "https:\/\/a.example/b.png","detail":"low"}},
            {"text":"\"url\": \"https://a.example/b.png\" and \"https://a.example/b.png\""},
            {"image_url":{"url":"https://a.example/other.png"}}, {"type":"url","url":7}]}"#;
        let passed = pass_with_bytes(body, &files).expect("one was exchanged");
        let expected = String::from_utf8_lossy(body)
            .replace(r#""https:\/\/a.example/b.png""#, r#""data:image/png;base64,QUJD""#);
        assert_eq!(passed, expected);
        let messages =
            br#"{"source": {"type":"url","url":"https://a.example/b.png"},"cache_control":{}}"#;
        let expected = r#"{"source": {"type":"base64","media_type":"image/png","data":"QUJD"},"cache_control":{}}"#;
        assert_eq!(pass_with_bytes(messages, &files).expect("one was exchanged"), expected);
        assert_eq!(pass_with_bytes(br#"{"url":"https://other.example/"}"#, &files), None);
        assert_eq!(pass_with_bytes(br#"{"url":"https"#, &files), None);
    }
}
