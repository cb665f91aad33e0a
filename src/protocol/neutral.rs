//! The neutral form: what every chat-like protocol is translated to and from.
//!
//! A hub, not a matrix: each protocol reads itself into these types and writes itself from them, and
//! knows no other. Only what crosses from one protocol to another takes this way; where both sides
//! speak the same, bodies pass as bytes.
//!
//! JSON that is the caller's own (tool schemas, tool input) is kept as text, so that the order of its
//! keys and the spelling of its numbers survive: both steer what a model answers.

pub mod crossing;
pub mod event;
pub mod media;
pub mod reply;
pub mod request;
pub mod tool;

pub use crossing::{CannotCross, Compatibility, Crossing, Warning};
pub use event::Event;
pub use media::{Fetched, MediaKind, is_media_type};
pub use reply::{Choice, Finish, Output, Reply};
pub use request::{
    CacheMark, Effort, Format, Media, OpaqueState, Origin, Part, Reasoning, Request, ResultPart,
    Role, Source, SystemText, Turn,
};
pub use tool::{StandIn, StandInKind, Tool, ToolChoice};
