//! From the notes of a stream that passed as bytes to the writer that would have written it.

use serde::Deserialize;

use super::notes::Piece;
use super::{Interrupted, LeftOut, Notes, Transcript, Unresumable};
use crate::protocol::dialect::{ClientView, Dialect, EventReader};
use crate::protocol::neutral::Event;
use crate::protocol::usage::Usage;

/// Where a client is in a stream that it did not get from the writer that has to go on with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The beginning of the answer was sent.
    pub started: bool,
    /// The answer's id; empty if none was given.
    pub id: String,
    /// Blocks that have ended, where an answer is made of blocks.
    pub ended_blocks: u32,
    /// A block of text is open, even if it is still empty.
    pub open_text: bool,
    /// The number that the next event has, where events are numbered.
    pub sequence: u64,
    /// Items of the output in their order, where an answer is made of items.
    pub items: Vec<SeenItem>,
}

/// An item of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenItem {
    /// Its id.
    pub id: String,
    /// It is reasoning, else a message.
    pub reasoning: bool,
    /// A part of it was announced.
    pub has_part: bool,
    /// It is complete.
    pub done: bool,
}

/// The members of kept events that no neutral event has a place for.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Kept {
    #[serde(rename = "type")]
    kind: Option<String>,
    created: Option<f64>,
    response: Option<KeptResponse>,
    output_index: Option<usize>,
    item: Option<KeptItem>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KeptResponse {
    created_at: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KeptItem {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Notes {
    /// Plays what was noted, so that a writer of `client` stands where the client is. `view` is
    /// that of the request; model and creation are those of the stream, where it tells them. `said`
    /// are the counts that came.
    pub fn interrupted(
        &self,
        client: &dyn Dialect,
        view: &ClientView<'_>,
        said: Usage,
    ) -> Result<Interrupted, Unresumable> {
        if let Some(why) = self.barred {
            return Err(why);
        }
        let events = self.events(client.event_reader().as_mut());
        let mut seen = Seen {
            ended_blocks: self.ended_blocks,
            open_text: self.open_text,
            sequence: self.sequence,
            ..Seen::default()
        };
        let created = self.look_through(&mut seen);
        let mut model = view.model;
        for event in &events {
            if let Event::Start { id, model: named } = event {
                seen.started = true;
                seen.id.clone_from(id);
                if !named.is_empty() {
                    model = named;
                }
            }
        }
        let view = ClientView { model, created: created.unwrap_or(view.created), ..*view };
        let mut transcript = Transcript::new(client.id());
        let mut writer = client.event_writer(&view);
        let mut written_before = Vec::new();
        for event in &events {
            transcript.note(event);
            writer.write(event, &mut written_before);
            written_before.clear();
        }
        let announced = seen.items.iter().any(|item| item.reasoning && !item.done);
        if self.open_reasoning || announced {
            transcript.open_reasoning();
        }
        transcript.resumable()?;
        writer.catch_up(&seen);
        transcript.settle(said, LeftOut::default());
        Ok(Interrupted { writer, transcript })
    }

    fn events(&self, reader: &mut dyn EventReader) -> Vec<Event> {
        let mut events = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(range) => {
                    events.push(Event::Text { choice: 0, text: self.said[range.clone()].into() });
                }
                Piece::Thinking(range) => {
                    let text = self.said[range.clone()].into();
                    events.push(Event::Thinking { choice: 0, text });
                }
                Piece::Event { name, data } => {
                    let name = name.as_ref().and_then(|range| self.kept.get(range.clone()));
                    let name = name.and_then(|name| std::str::from_utf8(name).ok());
                    // The stream's own reader could read it; what this one cannot says nothing.
                    let _ = reader.read(name, &self.kept[data.clone()], &mut events);
                }
            }
        }
        events
    }

    /// What the kept events say beside what neutral ones do. When the answer was created.
    fn look_through(&self, seen: &mut Seen) -> Option<u64> {
        let mut created = None;
        for piece in &self.pieces {
            let Piece::Event { data, .. } = piece else { continue };
            let Ok(kept) = serde_json::from_slice::<Kept>(&self.kept[data.clone()]) else {
                continue;
            };
            let of_response = kept.response.as_ref().and_then(|response| response.created_at);
            // Azure's first chunk, which is about the prompt, says 0.
            created = created.or(kept.created).or(of_response).filter(|at| *at > 0.0);
            kept.note_item(&mut seen.items);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds")]
        created.map(|at| at as u64)
    }
}

impl Kept {
    fn note_item(self, items: &mut Vec<SeenItem>) {
        let at = self.output_index;
        match self.kind.as_deref() {
            Some("response.output_item.added") => {
                let item = self.item.unwrap_or_default();
                items.push(SeenItem {
                    id: item.id.unwrap_or_default(),
                    reasoning: item.kind.as_deref() == Some("reasoning"),
                    has_part: false,
                    done: false,
                });
            }
            Some("response.content_part.added") => {
                let last = items.len().wrapping_sub(1);
                if let Some(item) = items.get_mut(at.unwrap_or(last)) {
                    item.has_part = true;
                }
            }
            Some("response.output_item.done") => {
                let last = items.len().wrapping_sub(1);
                if let Some(item) = items.get_mut(at.unwrap_or(last)) {
                    item.done = true;
                }
            }
            _ => {}
        }
    }
}
