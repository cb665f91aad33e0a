//! Streams of the Responses API.

mod read;
mod write;

pub(super) use read::ResponsesReader;
pub(super) use write::ResponsesWriter;
