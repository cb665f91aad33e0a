//! The conversation as Google takes it.
//!
//! Roles alternate, so neighbours of one role are joined. The results of all calls of one content
//! of the model stand in the one content after it, in the order of the calls, before anything else.

mod media;

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use serde_json::value::{RawValue, to_raw_value};

use crate::protocol::dialect::TargetView;
use crate::protocol::gemini::wire::{self, Content, FunctionCall, FunctionResponse, Part};
use crate::protocol::gemini::{names, signature};
use crate::protocol::neutral::{
    CannotCross, Crossing, OpaqueState, Origin, Part as Said, Request, ResultPart, Role, Turn,
};

/// A conversation needs something in it, and begins with the user.
const NOTHING: &str = " ";

/// Writes `contents`.
pub(super) fn write<'r>(
    request: &'r Request,
    target: &'r TargetView<'r>,
    crossing: &mut Crossing,
) -> Result<Vec<Content<'r>>, CannotCross> {
    let mut writer = Writer {
        target,
        contents: Vec::new(),
        calls: HashMap::new(),
        made: 0,
        results: Vec::new(),
        rest: Vec::new(),
    };
    for (at, turn) in request.turns.iter().enumerate() {
        match turn.role {
            // Their place is in the system's instruction.
            Role::System => {}
            Role::User => writer.user(at, turn, crossing)?,
            Role::Assistant => writer.model(at, turn, crossing)?,
        }
    }
    writer.end_user();
    let mut contents = writer.contents;
    if contents.first().is_none_or(|first| first.role != Some("user")) {
        contents.insert(0, Content { role: Some("user"), parts: vec![Part::text(NOTHING)] });
    }
    let last = contents.last().filter(|last| last.role == Some("model"));
    if target.facts.refuses_prefill
        && last.is_some_and(|last| last.parts.iter().all(|part| part.function_call.is_none()))
    {
        let message = "must not end with words of the model on this model: end with the user's";
        crossing.refused("messages", message)?;
    }
    Ok(contents)
}

struct Writer<'r> {
    target: &'r TargetView<'r>,
    contents: Vec<Content<'r>>,
    /// Calls of the last content of the model that wait for their results, by ids: each with its
    /// name and its place. Google counts them: as many results as there were calls, right after.
    calls: HashMap<&'r str, VecDeque<(Cow<'r, str>, usize)>>,
    /// How many calls there were so far.
    made: usize,
    /// Results of the user's content that is being written, with the place of their calls.
    results: Vec<(usize, Part<'r>)>,
    /// Its other parts.
    rest: Vec<Part<'r>>,
}

impl<'r> Writer<'r> {
    fn end_user(&mut self) {
        self.results.sort_by_key(|(place, _)| *place);
        let results = self.results.drain(..).map(|(_, part)| part);
        let parts: Vec<Part<'r>> = results.chain(self.rest.drain(..)).collect();
        if !parts.is_empty() {
            self.contents.push(Content { role: Some("user"), parts });
        }
    }

    fn user(
        &mut self,
        at: usize,
        turn: &'r Turn,
        crossing: &mut Crossing,
    ) -> Result<(), CannotCross> {
        for (number, part) in turn.parts.iter().enumerate() {
            match part {
                Said::ToolResult { id, content, is_error, .. } => {
                    let waiting = self.calls.get_mut(id.as_str());
                    let Some((name, place)) = waiting.and_then(VecDeque::pop_front) else {
                        let message = "answers no call of the model's turn before it, or one that \
                            was answered: send one result for each call";
                        return Err(CannotCross::new(field(at, number), message));
                    };
                    let mut inside = Vec::new();
                    for one in content {
                        let (ResultPart::Image(media) | ResultPart::Document(media)) = one else {
                            continue;
                        };
                        inside.extend(media::part(media, self.target, crossing)?);
                    }
                    if !self.target.facts.media_in_results {
                        self.rest.append(&mut inside);
                    }
                    let response = FunctionResponse {
                        id: self.id(id),
                        name,
                        response: response(content, *is_error),
                        parts: inside,
                    };
                    let part = Part { function_response: Some(response), ..Part::default() };
                    self.results.push((place, part));
                }
                Said::Text { text, .. } | Said::Refusal(text) => {
                    if !text.is_empty() {
                        self.rest.push(Part::text(text.as_str()));
                    }
                }
                Said::Image(media) | Said::Audio(media) | Said::Document(media) => {
                    self.rest.extend(media::part(media, self.target, crossing)?);
                }
                // The model's alone.
                Said::Thinking { .. } | Said::ToolCall { .. } => {
                    crossing.dropped(&field(at, number))?;
                }
            }
        }
        Ok(())
    }

    fn model(
        &mut self,
        at: usize,
        turn: &'r Turn,
        crossing: &mut Crossing,
    ) -> Result<(), CannotCross> {
        // Nothing was said in between: it goes on.
        let goes_on = self.results.is_empty() && self.rest.is_empty();
        let last = self.contents.pop_if(|last| goes_on && last.role == Some("model"));
        if last.is_none() {
            self.calls.clear();
        }
        let mut parts = last.map(|last| last.parts).unwrap_or_default();
        // A signature that stands before the call it belongs to.
        let mut carried = None;
        for (number, part) in turn.parts.iter().enumerate() {
            match part {
                Said::Text { text, .. } | Said::Refusal(text) => {
                    if !text.is_empty() {
                        parts.push(Part::text(text.as_str()));
                    }
                }
                Said::Thinking { text, state } => {
                    let Some(signature) = own(state.as_ref(), at, number, crossing)? else {
                        continue;
                    };
                    let next = turn.parts.get(number + 1);
                    if matches!(next, Some(Said::ToolCall { state: None, .. })) {
                        carried = Some(signature);
                        if !text.is_empty() {
                            parts.push(Part::thought(text, None));
                        }
                    } else {
                        sign(&mut parts, text, signature);
                    }
                }
                Said::ToolCall { id, name, arguments, state, .. } => {
                    let signature = own(state.as_ref(), at, number, crossing)?.or(carried.take());
                    // Only the first call of a step carries one.
                    let first = parts.iter().all(|part| part.function_call.is_none());
                    let wanted = first && self.target.facts.wants_call_signatures;
                    let signature =
                        signature.or_else(|| wanted.then(|| signature::SKIP.to_owned()));
                    let name = names::written(name);
                    self.calls.entry(id).or_default().push_back((name.clone(), self.made));
                    self.made += 1;
                    let args = args(arguments, at, number, crossing)?;
                    let call = FunctionCall { id: self.id(id), name, args };
                    parts.push(Part {
                        function_call: Some(call),
                        thought_signature: signature,
                        ..Part::default()
                    });
                }
                Said::Image(media) | Said::Audio(media) | Said::Document(media) => {
                    parts.extend(media::part(media, self.target, crossing)?);
                }
                Said::ToolResult { .. } => crossing.dropped(&field(at, number))?,
            }
        }
        if !parts.is_empty() {
            self.end_user();
            self.contents.push(Content { role: Some("model"), parts });
        }
        Ok(())
    }

    fn id(&self, id: &'r str) -> Option<&'r str> {
        (!id.is_empty() && !self.target.facts.refuses_call_ids).then_some(id)
    }
}

fn field(turn: usize, part: usize) -> String {
    format!("messages[{turn}].content[{part}]")
}

/// Gemini's own signature. One of another maker is of no use to it.
fn own(
    state: Option<&OpaqueState>,
    turn: usize,
    part: usize,
    crossing: &mut Crossing,
) -> Result<Option<String>, CannotCross> {
    match state {
        Some(state) if state.origin == Origin::Gemini => Ok(Some(state.data.clone())),
        Some(_) => crossing.dropped(&field(turn, part)).map(|()| None),
        None => Ok(None),
    }
}

/// Puts a signature back on the part it came with: on its reasoning, or on the text before it.
fn sign<'r>(parts: &mut Vec<Part<'r>>, text: &'r str, signature: String) {
    match parts.last_mut() {
        Some(before)
            if text.is_empty()
                && before.text.is_some()
                && !before.thought
                && before.thought_signature.is_none() =>
        {
            before.thought_signature = Some(signature);
        }
        _ => parts.push(Part::thought(text, Some(signature))),
    }
}

/// A call's arguments, which are an object here.
fn args<'r>(
    arguments: &'r str,
    turn: usize,
    part: usize,
    crossing: &mut Crossing,
) -> Result<Cow<'r, RawValue>, CannotCross> {
    let text = arguments.trim();
    if let Some(object) = wire::object(text) {
        return Ok(Cow::Borrowed(object));
    }
    if !matches!(text, "" | "null") {
        crossing.adjusted(&field(turn, part))?;
    }
    Ok(Cow::Borrowed(wire::empty_object()))
}

/// What a function returned as an object: as it is if it is one, else by Google's convention.
fn response(content: &[ResultPart], is_error: bool) -> Box<RawValue> {
    let texts = content.iter().filter_map(|one| match one {
        ResultPart::Text(text) => Some(text.as_str()),
        ResultPart::Image(_) | ResultPart::Document(_) => None,
    });
    let text = texts.collect::<Vec<_>>().join("\n");
    if !is_error && let Some(object) = wire::object(text.trim()) {
        return object.to_owned();
    }
    let mut members = wire::Draft::default();
    members.put(if is_error { "error" } else { "output" }, &text);
    to_raw_value(&members).unwrap_or_else(|_| wire::empty_object().to_owned())
}
