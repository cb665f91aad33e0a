//! An answer as it comes.

use super::reply::Finish;
use super::request::OpaqueState;
use crate::protocol::error::ErrorFacts;
use crate::protocol::usage::Usage;

/// One step of an answer that is streamed. `choice` is the number of the answer it belongs to.
///
/// A reader gives well-formed steps whatever the provider sent: a call is begun before its arguments
/// come and each call has its own number; nothing is empty but where it says so; each choice finishes
/// once and says nothing after that. Steps of two calls may be interleaved, where the provider did that;
/// but a call whose arguments are a whole object gets no more of them once the next has begun.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer has begun.
    Start {
        /// The provider's id of it; empty if it gave none.
        id: String,
        /// The model that answers; empty if the provider does not say.
        model: String,
    },
    /// More text; not empty.
    #[expect(missing_docs, reason = "see the enum")]
    Text { choice: u32, text: String },
    /// More words of a refusal; not empty.
    #[expect(missing_docs, reason = "see the enum")]
    Refusal { choice: u32, text: String },
    /// More reasoning; not empty.
    #[expect(missing_docs, reason = "see the enum")]
    Thinking { choice: u32, text: String },
    /// The state that belongs to the reasoning so far, whole.
    #[expect(missing_docs, reason = "see the enum")]
    ThinkingState { choice: u32, state: OpaqueState },
    /// The reasoning so far is one piece; what follows is another.
    #[expect(missing_docs, reason = "see the enum")]
    ThinkingEnd { choice: u32 },
    /// A call of a function begins.
    ToolStart {
        /// The answer that it belongs to.
        choice: u32,
        /// The call's number in the answer, from 0.
        call: u32,
        /// Its id; empty if the provider gave none.
        id: String,
        /// The function.
        name: String,
        /// What its maker wants back unchanged with the call.
        state: Option<OpaqueState>,
    },
    /// More of a call's arguments, as text; not empty.
    #[expect(missing_docs, reason = "see the enum")]
    ToolArguments { choice: u32, call: u32, text: String },
    /// A call is complete. Where no arguments came, there are none (`{}`).
    #[expect(missing_docs, reason = "see the enum")]
    ToolEnd { choice: u32, call: u32 },
    /// An answer has finished.
    #[expect(missing_docs, reason = "see the enum")]
    Finish { choice: u32, reason: Finish },
    /// Token counts so far, all of them.
    Usage(Usage),
    /// The provider is alive and has nothing to say.
    Ping,
    /// The provider's own end of the stream.
    End,
    /// The provider reports that it failed.
    Error(ErrorFacts),
}
