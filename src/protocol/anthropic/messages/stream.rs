//! Answers as they come.

mod blocks;
mod frame;
mod read;
mod write;

pub(super) use read::MessagesReader;
pub(super) use write::MessagesWriter;
