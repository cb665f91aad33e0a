//! A streamed chat completion, read and written.

mod calls;
mod read;
mod write;

pub(in crate::protocol::openai) use read::ChunkReader;
pub(super) use write::ChunkWriter;
