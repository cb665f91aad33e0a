//! What the reader of a stream that passes as bytes writes down of it.

use std::ops::Range;

use serde_json::value::RawValue;

use super::{MAX_TRANSCRIPT, Unresumable};

/// What the reader of a stream that passes as bytes writes down of it.
///
/// For each event the reader calls at most one of [`Self::text`], [`Self::thinking`] and
/// [`Self::skip`], where that is all the event says; the event is kept as it came if it called none.
#[derive(Debug, Default)]
pub struct Notes {
    pub(super) pieces: Vec<Piece>,
    /// Text and reasoning, in the order of their coming.
    pub(super) said: String,
    /// Names and data of events, one after the other.
    pub(super) kept: Vec<u8>,
    pub(super) barred: Option<Unresumable>,
    /// Reasoning has begun whose state has not come.
    pub(super) open_reasoning: bool,
    /// Blocks of an answer that have ended, where it is made of blocks.
    pub(super) ended_blocks: u32,
    /// A block of text is open.
    pub(super) open_text: bool,
    /// The number that the next event has, where events are numbered.
    pub(super) sequence: u64,
    /// The event that is being read needs not be kept.
    taken: bool,
}

/// A piece of what was passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Range<usize>),
    Thinking(Range<usize>),
    Event { name: Option<Range<usize>>, data: Range<usize> },
}

impl Notes {
    /// The event is more of the text and nothing else: `raw` is the JSON string that holds it.
    pub fn text(&mut self, raw: &RawValue) {
        self.open_text = true;
        self.say(|said| push_string(said, raw), Piece::Text);
    }

    /// As [`Self::text`], of text that is read already.
    pub fn plain_text(&mut self, text: &str) {
        self.open_text = true;
        self.say(
            |said| {
                said.push_str(text);
                true
            },
            Piece::Text,
        );
    }

    /// The event is more of the reasoning and nothing else: `raw` is the JSON string that holds it.
    pub fn thinking(&mut self, raw: &RawValue) {
        self.say(|said| push_string(said, raw), Piece::Thinking);
    }

    /// As [`Self::thinking`], of text that is read already.
    pub fn plain_thinking(&mut self, text: &str) {
        self.say(
            |said| {
                said.push_str(text);
                true
            },
            Piece::Thinking,
        );
    }

    /// The event says nothing that has to be known later.
    pub fn skip(&mut self) {
        self.taken = true;
    }

    /// Nobody can go on with the stream from here on.
    pub fn bar(&mut self, why: Unresumable) {
        let barred = self.barred.unwrap_or(why);
        *self = Self { barred: Some(barred), taken: true, ..Self::default() };
    }

    /// A block of reasoning or of a text begins.
    pub fn block_begins(&mut self, reasoning: bool) {
        self.open_reasoning = reasoning;
        self.open_text = !reasoning;
    }

    /// A block ends.
    pub fn block_ends(&mut self) {
        self.open_reasoning = false;
        self.open_text = false;
        self.ended_blocks += 1;
    }

    /// The number of the event, where events are numbered.
    pub fn number(&mut self, sequence: u64) {
        self.sequence = sequence.saturating_add(1);
    }

    /// The event was read and is passed on: keeps it unless it was taken down.
    pub fn passed(&mut self, name: Option<&str>, data: &[u8]) {
        if std::mem::take(&mut self.taken) || self.barred.is_some() {
            return;
        }
        if self.size() + data.len() > MAX_TRANSCRIPT {
            self.bar(Unresumable::TooLong);
            return;
        }
        let mut put = |bytes: &[u8]| {
            let begin = self.kept.len();
            self.kept.extend_from_slice(bytes);
            begin..self.kept.len()
        };
        let name = name.map(|name| put(name.as_bytes()));
        let data = put(data);
        self.pieces.push(Piece::Event { name, data });
    }

    /// How many bytes it takes.
    pub fn size(&self) -> usize {
        self.said.capacity() + self.kept.capacity()
    }

    fn say(&mut self, push: impl FnOnce(&mut String) -> bool, piece: fn(Range<usize>) -> Piece) {
        if self.barred.is_some() {
            return;
        }
        let begin = self.said.len();
        self.taken = push(&mut self.said);
        let end = self.said.len();
        match self.pieces.last_mut() {
            _ if end == begin => {}
            Some(Piece::Text(range)) if matches!(piece(0..0), Piece::Text(_)) => range.end = end,
            Some(Piece::Thinking(range)) if matches!(piece(0..0), Piece::Thinking(_)) => {
                range.end = end;
            }
            _ => self.pieces.push(piece(begin..end)),
        }
        if end > MAX_TRANSCRIPT {
            self.bar(Unresumable::TooLong);
        }
    }
}

/// Appends what a JSON string holds. Whether it is one.
fn push_string(said: &mut String, raw: &RawValue) -> bool {
    let raw = raw.get();
    let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    // Most pieces hold no escapes, and are the text as they stand.
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        said.push_str(inner);
        return true;
    }
    match serde_json::from_str::<String>(raw) {
        Ok(text) => {
            said.push_str(&text);
            true
        }
        Err(_) => false,
    }
}
