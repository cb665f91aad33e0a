//! What a stream event means to the gateway, whatever the protocol calls it.

use super::Malformed;
use super::error::ErrorFacts;
use super::splice::Mismatch;
use super::transcript::Notes;
use super::usage::Usage;

/// What one event means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing was generated yet: a role, an empty shell, a ping. Held back until the commit.
    Preamble,
    /// Reasoning, or a tool that the provider runs: progress that may take minutes.
    Thinking,
    /// Text, a refusal, or anything else a reader would see.
    Output,
    /// A piece of tool arguments: a gap in it would change what it means.
    Structured,
    /// The last choice has finished; usage and the end marker may follow.
    Finished,
    /// Token counts and nothing else, as `stream_options.include_usage` asks for them.
    UsageOnly,
    /// The stream's own end marker.
    End,
    /// The provider reports that it failed.
    Error(ErrorFacts),
    /// What goes on with a stream that broke does not fit what the client has of it.
    Mismatch(Mismatch),
}

/// Reads the events of one stream.
pub trait StreamReader: Send {
    /// What this event means. `name` is the SSE event name, `data` its joined data lines.
    fn read(&mut self, name: Option<&str>, data: &[u8]) -> Result<Meaning, Malformed> {
        self.read_noting(name, data, None)
    }
    /// As [`Self::read`], and writes down what would have to be known to go on with the stream.
    fn read_noting(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        notes: Option<&mut Notes>,
    ) -> Result<Meaning, Malformed>;
    /// Whether every choice that was asked for has finished.
    fn finished(&self) -> bool;
    /// Whether tool arguments or a signature are open, where a lost event cannot be left out.
    fn structured(&self) -> bool;
    /// Token counts so far.
    fn usage(&self) -> Usage;
}
