//! Streams. Frames are cut and their names read by [`crate::wire::event_stream`].

mod read;
mod write;

pub(super) use read::Reader;
pub(super) use write::Writer;

#[cfg(test)]
mod tests;
