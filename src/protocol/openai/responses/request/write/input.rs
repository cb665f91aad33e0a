//! `input`: the conversation as items.

mod media;

use std::borrow::Cow;

use serde::Serialize;

use super::super::super::sealed::seal;
use super::names::Names;
use crate::protocol::dialect::TargetView;
use crate::protocol::neutral::{
    CannotCross, Crossing, Origin, Part, Request, ResultPart, Role, SystemText, Turn,
};

use media::Content;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Message {
        role: &'static str,
        content: Vec<Content<'a>>,
    },
    Reasoning {
        summary: Vec<Content<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Content<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    FunctionCall {
        call_id: Cow<'a, str>,
        name: Cow<'a, str>,
        arguments: &'a str,
    },
    FunctionCallOutput {
        call_id: Cow<'a, str>,
        output: Output<'a>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Output<'a> {
    Text(String),
    Parts(Vec<Content<'a>>),
}

/// Writes system and turns.
pub(super) fn write<'a>(
    request: &'a Request,
    target: &TargetView<'_>,
    names: &mut Names,
    crossing: &mut Crossing,
) -> Result<Vec<Item<'a>>, CannotCross> {
    let mut writer = Writer { target, names, crossing, items: Vec::new() };
    for SystemText { text, .. } in &request.system {
        let content = vec![Content::InputText { text }];
        writer.items.push(Item::Message { role: writer.system(), content });
    }
    for (i, turn) in request.turns.iter().enumerate() {
        match turn.role {
            Role::User => writer.user(i, turn)?,
            Role::Assistant => writer.assistant(i, turn)?,
            Role::System => {
                let role = writer.system();
                writer.message(i, turn, role)?;
            }
        }
    }
    if writer.items.is_empty() {
        let message = "holds nothing to answer: add a message that is not empty";
        return Err(CannotCross::new("messages", message));
    }
    Ok(writer.items)
}

struct Writer<'a, 't> {
    target: &'t TargetView<'t>,
    names: &'t mut Names,
    crossing: &'t mut Crossing,
    items: Vec<Item<'a>>,
}

impl<'a> Writer<'a, '_> {
    fn system(&self) -> &'static str {
        if self.target.quirks.developer_role { "developer" } else { "system" }
    }

    fn user(&mut self, i: usize, turn: &'a Turn) -> Result<(), CannotCross> {
        for part in &turn.parts {
            if let Part::ToolResult { id, content, .. } = part {
                let output = self.output(content)?;
                let call_id = self.names.call(id);
                self.items.push(Item::FunctionCallOutput { call_id, output });
            }
        }
        self.message(i, turn, "user")
    }

    /// All of a turn that is no result of a tool, as one message.
    fn message(&mut self, i: usize, turn: &'a Turn, role: &'static str) -> Result<(), CannotCross> {
        let mut content = Vec::new();
        for (k, part) in turn.parts.iter().enumerate() {
            match part {
                Part::Text { text, .. } | Part::Refusal(text) => {
                    if !text.is_empty() {
                        content.push(Content::InputText { text });
                    }
                }
                Part::Image(media) => {
                    content.extend(media::image(media, self.target, self.crossing)?);
                }
                Part::Document(media) => {
                    content.extend(media::document(media, self.target, self.crossing)?);
                }
                Part::Audio(media) => {
                    let message = "is sound, which the target's protocol does not take";
                    self.crossing.refused(&media.field, message)?;
                }
                Part::ToolResult { .. } => {}
                Part::Thinking { .. } | Part::ToolCall { .. } => {
                    self.crossing.dropped(&format!("messages[{i}].content[{k}]"))?;
                }
            }
        }
        if !content.is_empty() {
            self.items.push(Item::Message { role, content });
        }
        Ok(())
    }

    fn assistant(&mut self, i: usize, turn: &'a Turn) -> Result<(), CannotCross> {
        let mut words = Vec::new();
        for (k, part) in turn.parts.iter().enumerate() {
            match part {
                Part::Text { text, .. } if text.is_empty() => {}
                Part::Text { text, .. } => words.push(Content::OutputText { text }),
                Part::Refusal(refusal) => words.push(Content::Refusal { refusal }),
                Part::Thinking { text, state } => {
                    let item = match state {
                        Some(state) if state.origin == Origin::OpenAi => Some(Item::Reasoning {
                            summary: summary(text),
                            content: Vec::new(),
                            encrypted_content: Some(seal(state)),
                        }),
                        Some(_) => {
                            self.crossing.dropped(&format!("messages[{i}].content[{k}]"))?;
                            None
                        }
                        None => self.open_reasoning(text),
                    };
                    if let Some(item) = item {
                        self.said(&mut words);
                        self.items.push(item);
                    }
                }
                Part::ToolCall { id, name, arguments, .. } => {
                    self.said(&mut words);
                    self.items.push(Item::FunctionCall {
                        call_id: self.names.call(id),
                        name: self.names.tool(name),
                        arguments: if arguments.is_empty() { "{}" } else { arguments },
                    });
                }
                Part::Image(_) | Part::Audio(_) | Part::Document(_) | Part::ToolResult { .. } => {
                    self.crossing.dropped(&format!("messages[{i}].content[{k}]"))?;
                }
            }
        }
        self.said(&mut words);
        Ok(())
    }

    fn said(&mut self, words: &mut Vec<Content<'a>>) {
        if !words.is_empty() {
            let content = std::mem::take(words);
            self.items.push(Item::Message { role: "assistant", content });
        }
    }

    /// Reasoning in plain text is of use to servers of open models only; OpenAI takes its own back
    /// sealed or not at all.
    fn open_reasoning(&self, text: &'a str) -> Option<Item<'a>> {
        let quirks = self.target.quirks;
        let wanted = !quirks.openai_itself && quirks.reasoning_field.is_some();
        (wanted && !text.is_empty()).then(|| Item::Reasoning {
            summary: Vec::new(),
            content: vec![Content::ReasoningText { text }],
            encrypted_content: None,
        })
    }

    fn output(&mut self, content: &'a [ResultPart]) -> Result<Output<'a>, CannotCross> {
        let text = |part: &'a ResultPart| match part {
            ResultPart::Text(text) => Some(&**text),
            ResultPart::Image(_) | ResultPart::Document(_) => None,
        };
        let texts: Option<Vec<&str>> = content.iter().map(text).collect();
        if let Some(texts) = texts {
            return Ok(Output::Text(texts.join("\n")));
        }
        let mut parts = Vec::with_capacity(content.len());
        for part in content {
            parts.extend(match part {
                ResultPart::Text(text) => Some(Content::InputText { text }),
                ResultPart::Image(media) => media::image(media, self.target, self.crossing)?,
                ResultPart::Document(media) => media::document(media, self.target, self.crossing)?,
            });
        }
        Ok(Output::Parts(parts))
    }
}

fn summary(text: &str) -> Vec<Content<'_>> {
    if text.is_empty() { Vec::new() } else { vec![Content::SummaryText { text }] }
}
