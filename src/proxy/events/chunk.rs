//! Events of another API in AWS's binary frames, as Bedrock's `InvokeModelWithResponseStream` sends
//! them: `{"bytes":"<base64 of the event's JSON>","p":"padding"}`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::event_stream::{Frame, MessageKind};
use crate::wire::sse::encode_event;

/// The event that holds one of the other API's.
const CHUNK: &str = "chunk";

/// One event out of its wrapping.
pub(super) struct Chunk {
    /// What Server-Sent Events would call it.
    name: Option<String>,
    data: Vec<u8>,
    silent: bool,
}

#[derive(Deserialize)]
struct Payload {
    bytes: String,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
}

impl Chunk {
    /// Takes the event out of a frame. What cannot be read is an event without data, which no API
    /// has.
    pub fn unwrap(frame: &Frame) -> Self {
        match frame.kind() {
            MessageKind::Event if frame.event() == Some(CHUNK) => {
                let payload = serde_json::from_slice::<Payload>(frame.data()).ok();
                let data = payload.and_then(|payload| BASE64_STANDARD.decode(payload.bytes).ok());
                let data = data.unwrap_or_default();
                // There are no names in this framing: an event's is the type inside.
                let named = serde_json::from_slice::<Named>(&data).ok();
                Self { name: named.map(|named| named.kind), data, silent: false }
            }
            MessageKind::Exception | MessageKind::Error => Self::error(frame),
            MessageKind::Event | MessageKind::Other => {
                Self { name: None, data: Vec::new(), silent: true }
            }
        }
    }

    /// An exception of the cloud's as the API inside says an error.
    fn error(frame: &Frame) -> Self {
        let payload: Value = serde_json::from_slice(frame.data()).unwrap_or_default();
        let said = ["message", "Message", "originalMessage"].iter();
        let mut said = said.filter_map(|name| payload.get(*name)?.as_str());
        let message = said
            .next()
            .map_or_else(|| String::from_utf8_lossy(frame.data()).into_owned(), str::to_owned);
        let kind = frame.event().unwrap_or_default();
        let error = json!({"type": "error", "error": {"type": kind, "message": message}});
        Self { name: Some("error".into()), data: error.to_string().into_bytes(), silent: false }
    }

    /// Whether it says nothing at all.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    pub fn event(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// As a Server-Sent Event.
    pub fn to_event(&self) -> Bytes {
        if self.silent { Bytes::new() } else { encode_event(self.event(), &self.data) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::event_stream::{EventStreamParser, encode_event, encode_exception};

    fn unwrap(bytes: Bytes) -> Chunk {
        let mut parser = EventStreamParser::new(1 << 16);
        parser.feed(bytes);
        Chunk::unwrap(&parser.next_frame().expect("sound").expect("whole"))
    }

    #[test]
    fn vector_95_an_event_has_the_name_that_is_inside_and_every_byte() {
        let inside = r#"{ "type":"ping", "x":1.0}"#;
        let payload = json!({"bytes": BASE64_STANDARD.encode(inside), "p": "abc"});
        let chunk = unwrap(encode_event("chunk", payload.to_string().as_bytes()));
        assert_eq!((chunk.event(), chunk.data()), (Some("ping"), inside.as_bytes()));
        assert_eq!(chunk.to_event(), format!("event: ping\ndata: {inside}\n\n"));
    }

    #[test]
    fn an_exception_is_an_error() {
        let chunk = unwrap(encode_exception("throttlingException", br#"{"message":"slow"}"#));
        let said: Value = serde_json::from_slice(chunk.data()).expect("JSON");
        assert_eq!(chunk.event(), Some("error"));
        assert_eq!(said["error"], json!({"type": "throttlingException", "message": "slow"}));
    }

    #[test]
    fn what_cannot_be_read_has_no_data_and_what_is_unknown_is_silent() {
        for payload in ["{}", r#"{"bytes":"%%"}"#, "[]", r#"{"bytes":7}"#] {
            let chunk = unwrap(encode_event("chunk", payload.as_bytes()));
            assert!(chunk.data().is_empty() && !chunk.is_silent(), "{payload}");
        }
        assert!(unwrap(encode_event("other", b"{}")).is_silent());
    }
}
