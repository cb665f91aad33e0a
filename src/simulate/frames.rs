//! A whole stream of events in one buffer.
//!
//! The simulator is also the upstream of benchmarks, so a stream is written once into one
//! allocation and each event is later sent as a slice of it.

use bytes::Bytes;
use serde::Serialize;

/// Server-sent events in order, each ending in a blank line.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// Where each event ends in `bytes`.
    ends: Vec<usize>,
    /// Index of the first event of the protocol's end marker.
    marker: Option<usize>,
}

impl Frames {
    /// With room for `events` of about 200 bytes, the size of a chat chunk with one word.
    pub(super) fn for_events(events: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(events * 200),
            ends: Vec::with_capacity(events),
            marker: None,
        }
    }

    /// Adds an event without a name.
    pub(super) fn data(&mut self, data: &impl Serialize) {
        self.bytes.extend_from_slice(b"data: ");
        self.finish(data);
    }

    /// Adds a named event.
    pub(super) fn named(&mut self, name: &str, data: &impl Serialize) {
        for part in ["event: ", name, "\ndata: "] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.finish(data);
    }

    fn finish(&mut self, data: &impl Serialize) {
        serde_json::to_writer(&mut self.bytes, data).expect("these values have string keys only");
        self.bytes.extend_from_slice(b"\n\n");
        self.ends.push(self.bytes.len());
    }

    /// Adds an event as it stands, its blank line included.
    pub(super) fn raw(&mut self, event: &[u8]) {
        self.bytes.extend_from_slice(event);
        self.ends.push(self.bytes.len());
    }

    /// From here on events belong to the end marker.
    pub(super) fn end_marker_follows(&mut self) {
        self.marker = Some(self.ends.len());
    }

    /// Leaves the end marker out.
    pub(super) fn drop_end_marker(&mut self) {
        if let Some(marker) = self.marker.take() {
            self.truncate(marker);
        }
    }

    /// Keeps only the first `events`.
    pub(super) fn truncate(&mut self, events: usize) {
        self.ends.truncate(events);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
        self.marker = self.marker.filter(|marker| *marker < self.ends.len());
    }

    /// Puts `event` after the first `events`, or at the end when there are fewer.
    pub(super) fn insert(&mut self, events: usize, event: &[u8]) {
        let index = events.min(self.ends.len());
        let at = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.splice(at..at, event.iter().copied());
        for end in &mut self.ends[index..] {
            *end += event.len();
        }
        self.ends.insert(index, at + event.len());
        self.marker = self.marker.map(|marker| marker + usize::from(marker >= index));
    }

    /// The same events in other words.
    pub(super) fn map(self, write: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let mut mapped = Self::for_events(self.ends.len());
        mapped.marker = self.marker;
        let mut start = 0;
        for end in self.ends {
            mapped.raw(&write(&self.bytes[start..end]));
            start = end;
        }
        mapped
    }

    /// The bytes, and where each event ends.
    pub(super) fn into_parts(self) -> (Bytes, Vec<usize>) {
        (Bytes::from(self.bytes), self.ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Frames {
        let mut frames = Frames::default();
        frames.raw(b"a.");
        frames.raw(b"b.");
        frames.end_marker_follows();
        frames.raw(b"END.");
        frames
    }

    fn shown(frames: Frames) -> Vec<String> {
        let (bytes, ends) = frames.into_parts();
        let mut start = 0;
        ends.into_iter()
            .map(|end| {
                String::from_utf8_lossy(&bytes[std::mem::replace(&mut start, end)..end]).into()
            })
            .collect()
    }

    #[test]
    fn writes_both_kinds_of_event() {
        let mut frames = Frames::default();
        frames.data(&1);
        frames.named("ping", &2);
        assert_eq!(shown(frames), ["data: 1\n\n", "event: ping\ndata: 2\n\n"]);
    }

    #[test]
    fn inserts_anywhere() {
        for (after, expected) in [
            (0, ["+.", "a.", "b.", "END."]),
            (1, ["a.", "+.", "b.", "END."]),
            (2, ["a.", "b.", "+.", "END."]),
            (9, ["a.", "b.", "END.", "+."]),
        ] {
            let mut frames = three();
            frames.insert(after, b"+.");
            assert_eq!(shown(frames), expected);
        }
    }

    #[test]
    fn the_end_marker_is_found_after_an_insertion() {
        let mut frames = three();
        frames.insert(1, b"+.");
        frames.drop_end_marker();
        assert_eq!(shown(frames), ["a.", "+.", "b."]);
    }

    #[test]
    fn truncates() {
        let mut frames = three();
        frames.truncate(1);
        frames.drop_end_marker();
        assert_eq!(shown(frames), ["a."]);
        let mut frames = three();
        frames.truncate(0);
        assert!(shown(frames).is_empty());
    }
}
