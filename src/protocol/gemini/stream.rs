//! Streams, both ways.

pub(super) mod chunk;
mod read;
mod write;

pub(super) use read::Reader;
pub(super) use write::Writer;

#[cfg(test)]
mod tests;
