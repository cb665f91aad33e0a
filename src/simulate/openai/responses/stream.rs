//! The stream of a response.

use serde_json::{Value, json};

use super::{Item, Response, summary_part, text_part};
use crate::simulate::{frames::Frames, tokens::tokens};

pub(super) fn frames(response: &Response<'_>) -> Frames {
    let events = response.reply.usage.output + 8 * response.items.len() + 3;
    let mut events = Events { frames: Frames::for_events(events), sequence: 0 };
    let begun = response.begun();
    events.send("response.created", json!({"response": begun}));
    events.send("response.in_progress", json!({"response": begun}));
    let status = response.status();
    for (index, item) in response.items.iter().enumerate() {
        let added = json!({"output_index": index, "item": item.begun()});
        events.send("response.output_item.added", added);
        events.content(index, item);
        let done = json!({"output_index": index, "item": item.finished(status)});
        events.send("response.output_item.done", done);
    }
    events.frames.end_marker_follows();
    let last = format!("response.{status}");
    events.send(&last, json!({"response": response.finished()}));
    events.frames
}

/// Events with their rising number.
struct Events {
    frames: Frames,
    sequence: u64,
}

impl Events {
    fn send(&mut self, kind: &str, mut event: Value) {
        event["type"] = json!(kind);
        event["sequence_number"] = json!(self.sequence);
        self.sequence += 1;
        self.frames.named(kind, &event);
    }

    /// What comes between an item's announcement and its end.
    fn content(&mut self, output: usize, item: &Item<'_>) {
        let id = item.id();
        match item {
            Item::Reasoning { summary, .. } => {
                let at = |rest| {
                    with(json!({"item_id": id, "output_index": output, "summary_index": 0}), rest)
                };
                let part = at(json!({"part": summary_part("")}));
                self.send("response.reasoning_summary_part.added", part);
                for delta in tokens(summary) {
                    let delta = at(json!({"delta": delta}));
                    self.send("response.reasoning_summary_text.delta", delta);
                }
                let text = at(json!({"text": summary}));
                self.send("response.reasoning_summary_text.done", text);
                let part = at(json!({"part": summary_part(summary)}));
                self.send("response.reasoning_summary_part.done", part);
            }
            Item::Message { text, .. } => {
                let at = |rest| {
                    with(json!({"item_id": id, "output_index": output, "content_index": 0}), rest)
                };
                self.send("response.content_part.added", at(json!({"part": text_part("")})));
                for delta in tokens(text) {
                    let delta = at(json!({"delta": delta, "logprobs": []}));
                    self.send("response.output_text.delta", delta);
                }
                let done = at(json!({"text": text, "logprobs": []}));
                self.send("response.output_text.done", done);
                self.send("response.content_part.done", at(json!({"part": text_part(text)})));
            }
            Item::FunctionCall { name, arguments, .. } => {
                let at = |rest| with(json!({"item_id": id, "output_index": output}), rest);
                for delta in tokens(arguments) {
                    let delta = at(json!({"delta": delta}));
                    self.send("response.function_call_arguments.delta", delta);
                }
                let done = at(json!({"name": name, "arguments": arguments}));
                self.send("response.function_call_arguments.done", done);
            }
        }
    }
}

/// Both objects in one.
fn with(mut place: Value, rest: Value) -> Value {
    if let (Value::Object(place), Value::Object(rest)) = (&mut place, rest) {
        place.extend(rest);
    }
    place
}
