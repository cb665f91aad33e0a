//! One event on the wire.

use serde::Serialize;

use super::super::super::body::{Item, ItemView, PartView, ResponseView};

/// The members of all events.
#[derive(Serialize, Default)]
pub(super) struct Frame<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<PartView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<[(); 0]>,
}

/// Counts the events.
#[derive(Default)]
pub(super) struct Frames {
    sequence: u64,
}

impl Frames {
    /// Goes on with this number.
    pub fn go_on_with(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// Sends an event.
    pub fn send(&mut self, out: &mut Vec<u8>, kind: &'static str, frame: Frame<'_>) {
        let frame = Frame { kind, sequence_number: self.sequence, ..frame };
        self.sequence += 1;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // Line breaks are escaped inside of JSON, so that an event is one line.
        serde_json::to_writer(&mut *out, &frame).expect("a vector takes whatever is written to it");
        out.extend_from_slice(b"\n\n");
    }
}

/// The members by which an event names its item.
pub(super) fn of_item(items: &[Item], at: usize) -> Frame<'_> {
    Frame { output_index: Some(at), item_id: Some(&items[at].id), ..Frame::default() }
}
