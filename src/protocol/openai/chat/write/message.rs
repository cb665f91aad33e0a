//! The messages of a chat completion.
//!
//! Every call must be answered before the next message that is no tool's. So of what stands between
//! two messages of the model the results come first, whatever came between them.

use std::borrow::Cow;

use serde::Serialize;

use super::super::reasoning::{ExtraContent, call_extra};
use super::Draft;
use super::media::{Piece, audio, document, image};
use crate::protocol::dialect::Continuation;
use crate::protocol::neutral::{CannotCross, OpaqueState, Origin, Part, ResultPart, Role, Turn};

#[derive(Serialize, Default)]
pub(super) struct Message<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<Cow<'a, str>>,
    /// These words are the beginning of the answer (Mistral).
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Cow<'a, str>),
    Pieces(Vec<Piece<'a>>),
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionCall<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent>,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    name: Cow<'a, str>,
    arguments: &'a str,
}

/// Writes the conversation. `addition` is one more instruction, of the writer's own.
pub(super) fn write<'a>(
    draft: &mut Draft<'a, '_>,
    addition: Option<&'static str>,
) -> Result<Vec<Message<'a>>, CannotCross> {
    let turns = &draft.request.turns;
    let mut messages = Vec::with_capacity(turns.len() + 1);
    messages.extend(system(draft, addition));
    let is_model = |turn: &Turn| turn.role == Role::Assistant;
    for run in turns.chunk_by(|a, b| is_model(a) == is_model(b)) {
        if is_model(&run[0]) {
            for turn in run {
                assistant(draft, &turn.parts, &mut messages)?;
            }
        } else {
            results(draft, run, &mut messages)?;
            for turn in run {
                said(draft, turn, &mut messages)?;
            }
        }
    }
    if messages.is_empty() {
        let message = "holds nothing to answer: add a message that is not empty";
        return Err(CannotCross::new("messages", message));
    }
    Ok(messages)
}

/// Tells the target to go on with the words that end the conversation, if they are the model's.
/// Gives them where the answer will repeat them.
pub(super) fn go_on(draft: &mut Draft<'_, '_>, messages: &mut [Message<'_>]) -> Option<String> {
    let last = messages.last_mut()?;
    let Some(Content::Text(text)) = &last.content else { return None };
    if last.role != "assistant" || !last.tool_calls.is_empty() {
        return None;
    }
    match draft.target.quirks.continuation {
        Continuation::ByItself => None,
        Continuation::Flag => {
            draft.set("add_generation_prompt", &false);
            draft.set("continue_final_message", &true);
            None
        }
        Continuation::Prefix => {
            last.prefix = Some(true);
            Some(text.clone().into_owned())
        }
    }
}

fn system<'a>(draft: &Draft<'a, '_>, addition: Option<&'static str>) -> Option<Message<'a>> {
    let own = draft.request.system.iter().map(|text| &*text.text);
    let texts: Vec<&'a str> = own.chain(addition).collect();
    let content = match &*texts {
        [] => return None,
        [text] => Content::Text(Cow::Borrowed(text)),
        // Templates of other servers want one text.
        _ if !draft.target.quirks.openai_itself => Content::Text(Cow::Owned(texts.join("\n"))),
        _ => Content::Pieces(texts.into_iter().map(piece).collect()),
    };
    Some(Message { role: system_role(draft), content: Some(content), ..Message::default() })
}

fn system_role(draft: &Draft<'_, '_>) -> &'static str {
    if draft.target.quirks.developer_role { "developer" } else { "system" }
}

fn piece(text: &str) -> Piece<'_> {
    Piece::Text { text: Cow::Borrowed(text) }
}

/// The results of a run of turns, each a message of its own, and then the pictures and documents
/// that are among them, which only a user can send.
fn results<'a>(
    draft: &mut Draft<'a, '_>,
    run: &'a [Turn],
    messages: &mut Vec<Message<'a>>,
) -> Result<(), CannotCross> {
    let mut shown = Vec::new();
    for part in run.iter().flat_map(|turn| &turn.parts) {
        let Part::ToolResult { id, content, .. } = part else { continue };
        let id = draft.names.call(id);
        let mut texts: Vec<&'a str> = Vec::new();
        let mut labelled = false;
        for piece_of in content {
            let written = match piece_of {
                ResultPart::Text(text) => {
                    texts.push(text);
                    continue;
                }
                ResultPart::Image(media) => image(draft, media)?,
                ResultPart::Document(media) => document(draft, media)?,
            };
            let Some(written) = written else { continue };
            if !labelled {
                let label = format!("Result of tool call {id}:");
                shown.push(Piece::Text { text: Cow::Owned(label) });
                labelled = true;
            }
            shown.push(written);
        }
        let content = match &*texts {
            [text] => Cow::Borrowed(*text),
            _ => Cow::Owned(texts.join("\n")),
        };
        messages.push(Message {
            role: "tool",
            content: Some(Content::Text(content)),
            tool_call_id: Some(id),
            ..Message::default()
        });
    }
    if !shown.is_empty() {
        let content = Some(Content::Pieces(shown));
        messages.push(Message { role: "user", content, ..Message::default() });
    }
    Ok(())
}

/// What a turn of the user or the system says besides results.
fn said<'a>(
    draft: &mut Draft<'a, '_>,
    turn: &'a Turn,
    messages: &mut Vec<Message<'a>>,
) -> Result<(), CannotCross> {
    let mut pieces = Vec::new();
    for part in &turn.parts {
        let written = match part {
            Part::Text { text, .. } => Some(piece(text)),
            Part::Image(media) => image(draft, media)?,
            Part::Audio(media) => audio(draft, media)?,
            Part::Document(media) => document(draft, media)?,
            // Results are written; the others are not the user's to say.
            _ => None,
        };
        pieces.extend(written);
    }
    let content = match pieces.pop() {
        None => return Ok(()),
        Some(Piece::Text { text }) if pieces.is_empty() => Content::Text(text),
        Some(last) => {
            pieces.push(last);
            Content::Pieces(pieces)
        }
    };
    let role = if turn.role == Role::System { system_role(draft) } else { "user" };
    messages.push(Message { role, content: Some(content), ..Message::default() });
    Ok(())
}

fn assistant<'a>(
    draft: &mut Draft<'a, '_>,
    parts: &'a [Part],
    messages: &mut Vec<Message<'a>>,
) -> Result<(), CannotCross> {
    let mut text = String::new();
    let mut thoughts = String::new();
    let mut message = Message { role: "assistant", ..Message::default() };
    for part in parts {
        match part {
            Part::Text { text: more, .. } => text.push_str(more),
            Part::Refusal(words) if draft.target.quirks.openai_itself => {
                message.refusal.get_or_insert_default().push_str(words);
            }
            Part::Refusal(words) => text.push_str(words),
            Part::Thinking { text, state } => {
                thoughts.push_str(text);
                if state.is_some() {
                    draft.crossing.dropped("thinking")?;
                }
            }
            Part::ToolCall { id, name, arguments, state, .. } => {
                let function = FunctionCall {
                    name: draft.names.tool(name),
                    // Servers that parse the arguments of history have no use for nothing at all.
                    arguments: if arguments.is_empty() { "{}" } else { arguments },
                };
                let id = draft.names.call(id);
                let extra_content = call_extra(own_state(draft, state.as_ref())?);
                message.tool_calls.push(ToolCall { id, kind: "function", function, extra_content });
            }
            // The model says nothing else in chat completions.
            Part::Image(media) | Part::Audio(media) | Part::Document(media) => {
                let why = "is in a message of the model, where chat completions have text only";
                draft.crossing.refused(&media.field, why)?;
            }
            Part::ToolResult { .. } => {}
        }
    }
    if !text.is_empty() {
        message.content = Some(Content::Text(Cow::Owned(text)));
    }
    if message.content.is_none() && message.tool_calls.is_empty() && message.refusal.is_none() {
        return Ok(());
    }
    if !thoughts.is_empty() {
        match draft.target.quirks.reasoning_field {
            Some("reasoning") => message.reasoning = Some(thoughts),
            Some(_) => message.reasoning_content = Some(thoughts),
            None => {}
        }
    }
    match messages.last_mut() {
        // Between a call and its result there is no room for another message.
        Some(last) if last.role == "assistant" && !last.tool_calls.is_empty() => {
            last.append(message);
        }
        _ => messages.push(message),
    }
    Ok(())
}

/// A call's state, where the target can read it.
fn own_state<'a>(
    draft: &mut Draft<'_, '_>,
    state: Option<&'a OpaqueState>,
) -> Result<Option<&'a OpaqueState>, CannotCross> {
    match state {
        Some(state) if state.origin == Origin::Gemini && draft.target.quirks.thought_signatures => {
            Ok(Some(state))
        }
        Some(_) => draft.crossing.dropped("thought_signature").map(|()| None),
        None => Ok(None),
    }
}

impl Message<'_> {
    /// Adds what the model said right after.
    fn append(&mut self, next: Self) {
        fn join(first: Option<String>, second: Option<String>) -> Option<String> {
            match (first, second) {
                (Some(first), Some(second)) => Some(format!("{first}\n{second}")),
                (first, second) => first.or(second),
            }
        }
        self.content = match (self.content.take(), next.content) {
            (Some(Content::Text(first)), Some(Content::Text(second))) => {
                Some(Content::Text(Cow::Owned(format!("{first}\n{second}"))))
            }
            (first, second) => first.or(second),
        };
        self.refusal = join(self.refusal.take(), next.refusal);
        self.reasoning_content = join(self.reasoning_content.take(), next.reasoning_content);
        self.reasoning = join(self.reasoning.take(), next.reasoning);
        self.tool_calls.extend(next.tool_calls);
    }
}
