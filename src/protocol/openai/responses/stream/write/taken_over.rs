//! Going on with a stream that the client had from somebody else so far.

use super::super::super::body::{Content, Item, Words};
use super::ResponsesWriter;
use crate::protocol::transcript::{Seen, SeenItem};

impl ResponsesWriter {
    /// Takes over the names and numbers that the client knows, and items that nothing was said of.
    pub(super) fn take_over(&mut self, seen: &Seen) {
        self.started |= seen.started;
        if !seen.id.is_empty() {
            self.answer.id.clone_from(&seen.id);
        }
        // Some servers do not number their events; then our own numbers are as good.
        if seen.sequence > 0 {
            self.frames.go_on_with(seen.sequence);
        }
        let Some(last) = seen.items.last() else { return };
        let mut own = std::mem::take(&mut self.items).into_iter().peekable();
        for known in &seen.items {
            let item = own.next_if(|item| is_reasoning(item) == known.reasoning);
            self.items.push(named(item, known));
        }
        self.items.extend(own);
        let goes_on = !last.reasoning && !last.done;
        self.open = goes_on.then_some(self.items.len() - 1);
    }
}

fn is_reasoning(item: &Item) -> bool {
    matches!(item.content, Content::Reasoning { .. })
}

/// The item as the client knows it.
fn named(item: Option<Item>, known: &SeenItem) -> Item {
    let mut item = item.unwrap_or_else(|| {
        let content = if known.reasoning {
            Content::Reasoning { text: String::new(), sealed: None }
        } else {
            Content::Message(Vec::new())
        };
        Item { id: String::new(), status: "in_progress", content }
    });
    if !known.id.is_empty() {
        item.id.clone_from(&known.id);
    }
    if known.done {
        item.status = "completed";
    }
    if let Content::Message(parts) = &mut item.content
        && parts.is_empty()
        && known.has_part
    {
        parts.push(Words { refusal: false, text: String::new() });
    }
    item
}
