//! A streamed chat completion, read and written.

mod calls;
mod chunks;
mod read;
mod write;

pub(in crate::protocol::openai) use chunks::Chunks;
pub(in crate::protocol::openai) use read::ChunkReader;
pub(super) use write::ChunkWriter;
