//! Events as a client's stream.
//!
//! A call is one part here, whole, so its arguments are held until it is complete. Finish reasons
//! and usage go into the last event, where Google's clients look for both.

use std::collections::BTreeMap;

use serde_json::json;

use crate::protocol::dialect::{ClientView, EventWriter};
use crate::protocol::gemini::reply::{answered, call};
use crate::protocol::gemini::usage::UsageMetadata;
use crate::protocol::gemini::wire::{Content, Draft, Part};
use crate::protocol::gemini::{finish, signature};
use crate::protocol::neutral::{Event, Finish, OpaqueState};
use crate::protocol::usage::Usage;
use crate::wire::sse::encode_event;

/// Writes one stream.
#[derive(Debug)]
pub(in crate::protocol::gemini) struct Writer {
    id: String,
    model: String,
    /// Calls that are not complete, by choice and number.
    open: BTreeMap<(u32, u32), Open>,
    /// Choices in which words of a refusal came.
    refused: Vec<u32>,
    finished: BTreeMap<u32, Finish>,
    usage: Usage,
}

#[derive(Debug)]
struct Open {
    id: String,
    name: String,
    arguments: String,
    state: Option<OpaqueState>,
}

impl Writer {
    pub(in crate::protocol::gemini) fn new(client: &ClientView<'_>) -> Self {
        Self {
            id: client.request_id.to_owned(),
            model: client.model.to_owned(),
            open: BTreeMap::new(),
            refused: Vec::new(),
            finished: BTreeMap::new(),
            usage: Usage::default(),
        }
    }

    fn part(&self, choice: u32, part: Part<'_>, out: &mut Vec<u8>) {
        let content = Content { role: Some("model"), parts: vec![part] };
        let mut candidate = Draft::default();
        candidate.put("index", &choice);
        candidate.put("content", &content);
        self.send(&[candidate], out);
    }

    fn send(&self, candidates: &[Draft], out: &mut Vec<u8>) {
        let mut chunk = Draft::default();
        chunk.put("candidates", &candidates);
        // On every event, as Google does it; the counts are those so far.
        if let Some(usage) = UsageMetadata::of(&self.usage) {
            chunk.put("usageMetadata", &usage);
        }
        answered(&mut chunk, &self.model, &self.id);
        let data = serde_json::to_vec(&chunk).unwrap_or_default();
        out.extend_from_slice(&encode_event(None, &data));
    }

    /// The call as a part of its own.
    fn complete(&self, choice: u32, open: &Open, out: &mut Vec<u8>) {
        let part = call(&open.id, &open.name, &open.arguments, open.state.as_ref());
        self.part(choice, part, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let mut candidates = Vec::new();
        for (choice, reason) in &self.finished {
            let refused = self.refused.contains(choice).then_some(&Finish::Refused);
            let mut candidate = Draft::default();
            candidate.put("index", choice);
            candidate.put("content", &json!({"role": "model", "parts": [{"text": ""}]}));
            candidate.put("finishReason", &finish::word(refused.or(Some(reason))));
            candidates.push(candidate);
        }
        self.send(&candidates, out);
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, .. } if !id.is_empty() => self.id.clone_from(id),
            Event::Text { choice, text } => self.part(*choice, Part::text(text.as_str()), out),
            Event::Refusal { choice, text } => {
                if !self.refused.contains(choice) {
                    self.refused.push(*choice);
                }
                self.part(*choice, Part::text(text.as_str()), out);
            }
            Event::Thinking { choice, text } => self.part(*choice, Part::thought(text, None), out),
            Event::ThinkingState { choice, state } => {
                let part = Part {
                    // Clients take a part for a thought by this alone.
                    thought: true,
                    ..Part::thought("", Some(signature::write(state)))
                };
                self.part(*choice, part, out);
            }
            Event::ToolStart { choice, call, id, name, state } => {
                let open = Open {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: String::new(),
                    state: state.clone(),
                };
                self.open.insert((*choice, *call), open);
            }
            Event::ToolArguments { choice, call, text } => {
                if let Some(open) = self.open.get_mut(&(*choice, *call)) {
                    open.arguments.push_str(text);
                }
            }
            Event::ToolEnd { choice, call } => {
                if let Some(open) = self.open.remove(&(*choice, *call)) {
                    self.complete(*choice, &open, out);
                }
            }
            Event::Finish { choice, reason } => {
                self.finished.entry(*choice).or_insert_with(|| reason.clone());
                // One that was cut by the limit may never have been completed.
                let cut = self.open.keys().filter(|(of, _)| of == choice).copied();
                for key in cut.collect::<Vec<_>>() {
                    if let Some(open) = self.open.remove(&key) {
                        self.complete(*choice, &open, out);
                    }
                }
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End => self.end(out),
            Event::Start { .. } | Event::ThinkingEnd { .. } | Event::Ping | Event::Error(_) => {}
        }
    }
}
