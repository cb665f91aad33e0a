//! Events that came together, as one piece of bytes.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

use super::Progress;
use super::framing::Frame;
use crate::wire::json::Object;
use crate::wire::sse::encode_event;

/// Some events that came together.
#[derive(Debug)]
pub(in crate::proxy) struct Batch {
    pub bytes: Bytes,
    pub progress: Progress,
}

/// Made once: that takes longer than to look through an event.
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));

/// With usage asked for, every chunk says `"usage":null`: taken out again for a caller that did not
/// ask. Counts on a chunk with choices are the provider's own doing and stay.
pub(super) fn without_null_usage(frame: Frame) -> Bytes {
    // Whoever frames in another way has no such option.
    let Frame::Sse(frame) = frame else { return frame.into_raw() };
    if USAGE.find(frame.data()).is_none() {
        return frame.into_raw();
    }
    let Ok(object) = Object::parse(frame.data_bytes()) else { return frame.into_raw() };
    if !matches!(object.raw("usage"), Ok(Some(b"null"))) {
        return frame.into_raw();
    }
    let mut edit = object.edit();
    if edit.remove("usage").is_err() {
        return frame.into_raw();
    }
    encode_event(frame.event(), &edit.finish())
}

/// Frames joined into one piece; a single one stays the slice that it is.
#[derive(Default)]
pub(super) struct Joined {
    first: Bytes,
    more: Option<BytesMut>,
    progress: Option<Progress>,
}

impl Joined {
    pub fn push(&mut self, bytes: Bytes, progress: Progress) {
        self.progress = self.progress.max(Some(progress));
        if let Some(more) = &mut self.more {
            more.extend_from_slice(&bytes);
        } else if self.first.is_empty() {
            self.first = bytes;
        } else {
            let mut joined = BytesMut::with_capacity(2 * (self.first.len() + bytes.len()));
            joined.extend_from_slice(&self.first);
            joined.extend_from_slice(&bytes);
            self.more = Some(joined);
        }
    }

    pub fn finish(self) -> Option<Batch> {
        let bytes = self.more.map_or(self.first, BytesMut::freeze);
        self.progress.map(|progress| Batch { bytes, progress })
    }
}
