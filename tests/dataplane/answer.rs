//! What a client gets.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use pilothouse::upstream::UpstreamBody;
use serde_json::Value;

/// An answer whose body is still to come.
pub struct Open {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub(crate) body: UpstreamBody,
}

impl Open {
    /// The next piece of the body; `None` at its end.
    pub async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        std::future::poll_fn(|cx| self.body.poll_data(cx)).await
    }

    /// Reads until the text so far holds `needle`.
    pub async fn read_until(&mut self, needle: &str) -> String {
        let mut text = String::new();
        while !text.contains(needle) {
            let piece = self.next().await.expect("the needle comes first").unwrap();
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
        text
    }

    /// Reads the rest.
    pub async fn finish(self) -> Answer {
        let Self { status, headers, body } = self;
        match body.collect().await {
            Ok(body) => Answer { status, headers, body: body.to_bytes(), cut: false },
            Err(_) => Answer { status, headers, body: Bytes::new(), cut: true },
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The connection broke in the middle of the body.
    pub cut: bool,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The same of a body that may be binary.
    pub fn text_lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header as text; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The target that answered.
    pub fn target(&self) -> &str {
        self.header("x-used-provider")
    }

    /// The data of the stream's events.
    pub fn events(&self) -> Vec<&str> {
        self.text().lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    }

    /// The text that the chunks of a chat stream add up to.
    pub fn streamed_text(&self) -> String {
        self.events()
            .iter()
            .filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
            .collect()
    }
}
