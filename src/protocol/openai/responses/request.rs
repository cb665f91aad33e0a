//! Requests of the Responses API.

mod content;
mod items;
mod read;
mod tools;
mod write;

pub(super) use read::read;
pub(super) use write::write;
