//! Chat completions that pass as bytes to a server that fetches nothing: the URLs of their pictures
//! are exchanged, and nothing else.

use bytes::Bytes;
use memchr::memmem;

use super::Files;
use crate::protocol::dialect::DialectId;
use crate::proxy::resolve::Resolved;
use crate::table::Upstream;

/// The key of a picture's address.
const KEY: &[u8] = b"\"url\"";

/// Whether a request that would pass as it is names pictures that the target does not fetch. A
/// glance at the text: requests without any must stay cheap.
pub(super) fn names_urls(resolved: &Resolved, upstream: &Upstream) -> bool {
    resolved.operation.dialect == Some(DialectId::OpenAiChat)
        && !upstream.provider.quirks.image_urls
        && memmem::find(resolved.object.text(), b"\"image_url\"").is_some()
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
        let url = serde_json::from_slice::<String>(&body[start..end]).ok();
        let Some(data) = url.and_then(|url| files.data_url(&url)) else { continue };
        written.extend_from_slice(&body[copied..start]);
        // Base64 and media types need no escapes.
        written.push(b'"');
        written.extend_from_slice(data.as_bytes());
        written.push(b'"');
        copied = end;
    }
    if written.is_empty() {
        return None;
    }
    written.extend_from_slice(&body[copied..]);
    Some(written.into())
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
        assert_eq!(pass_with_bytes(br#"{"url":"https://other.example/"}"#, &files), None);
        assert_eq!(pass_with_bytes(br#"{"url":"https"#, &files), None);
    }
}
