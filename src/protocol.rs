//! Wire protocols of models: what a request asks for, what a stream event means, how an error looks.
//!
//! Each protocol is a file here and its lines in [`registry`]; nothing else names one. Where client
//! and target speak the same protocol the body passes as bytes, so what stands here only *reads*
//! events, usage and errors, and writes the few things that the gateway itself has to say.

pub mod abilities;
pub mod anthropic;
pub mod bedrock;
pub mod continuation;
pub mod counting;
pub mod dialect;
pub mod embeddings;
pub mod error;
pub mod estimate;
mod fragments;
pub mod gemini;
pub mod hub;
pub mod model;
pub mod neutral;
pub mod openai;
pub mod registry;
pub mod request;
pub mod splice;
pub mod stream;
pub mod transcript;
pub mod usage;

use bytes::Bytes;
use serde::Deserialize;

use error::{ErrorFacts, ErrorView};
use registry::ProtocolId;
use stream::StreamReader;
use usage::Usage;

/// What the gateway itself has to say and to understand in a protocol.
pub trait Protocol: Sync {
    /// Which protocol this is.
    fn id(&self) -> ProtocolId;
    /// The body of an error response.
    fn write_error(&self, error: &ErrorView<'_>) -> Bytes;
    /// What a provider's error body (or in-band error) says. Reads anything, HTML included.
    fn read_error(&self, body: &[u8]) -> ErrorFacts;
}

/// How the answers to one operation are read and, where a stream broke, ended.
pub trait Answers: Sync {
    /// A reader for one stream. `choices` is how many completions were asked for.
    fn stream(&self, choices: usize) -> Box<dyn StreamReader>;
    /// Reads a plain reply.
    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed>;
    /// What the last bytes of a plain reply that was too long to be held say it cost. Those of one
    /// that was cut short are malformed.
    fn read_tail(&self, tail: &[u8]) -> Result<Usage, Malformed>;
    /// An error event in the middle of a stream.
    fn in_band_error(&self, error: &ErrorView<'_>) -> Bytes;
    /// What ends a stream whose every choice has finished but whose own end marker never came.
    fn end_marker(&self) -> &'static [u8];
    /// What keeps a silent stream alive, where the protocol has such a thing.
    fn keep_alive(&self) -> &'static [u8];
}

/// What a plain reply tells the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// What it cost, if it says so.
    pub usage: Usage,
    /// An error that came with a status of success, as some routers in front of providers send it.
    pub error: Option<ErrorFacts>,
}

/// A reply or event that is not what the protocol says it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid message of the protocol")]
pub struct Malformed;

/// Reads a message, which in all protocols is a JSON object. serde would also fill a struct from an
/// array, member by member, and take `[]` for a message that says nothing.
fn read_object<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, Malformed> {
    if data.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed);
    }
    let read = match std::str::from_utf8(data) {
        // Checked once, and not string by string.
        Ok(text) => serde_json::from_str(text),
        // What nobody reads of it may be as it likes.
        Err(_) => serde_json::from_slice(data),
    };
    read.map_err(|_| Malformed)
}
