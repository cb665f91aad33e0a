//! Items of an output, as they are held and as they are written.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::protocol::neutral::{StandIn, StandInKind};

/// An item of an output.
#[derive(Debug)]
pub(in super::super) struct Item {
    /// Its id, which never changes.
    pub id: String,
    /// `in_progress`, `completed` or `incomplete`.
    pub status: &'static str,
    /// What it holds.
    pub content: Content,
}

/// What an item holds.
#[derive(Debug)]
pub(in super::super) enum Content {
    /// Words of the model, part by part.
    Message(Vec<Words>),
    /// Reasoning, and its state for `encrypted_content`.
    Reasoning { text: String, sealed: Option<String> },
    /// A call of a function, or of the tool that a function stands in for.
    Call {
        call_id: String,
        name: String,
        namespace: Option<String>,
        arguments: String,
        kind: StandInKind,
    },
}

/// A part of a message.
#[derive(Debug)]
pub(in super::super) struct Words {
    /// They are a refusal.
    pub refusal: bool,
    /// The words.
    pub text: String,
}

/// An item on the wire.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in super::super) enum ItemView<'a> {
    Message {
        id: &'a str,
        status: &'a str,
        role: &'static str,
        content: Vec<PartView<'a>>,
    },
    Reasoning {
        id: &'a str,
        summary: Vec<PartView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    FunctionCall {
        id: &'a str,
        status: &'a str,
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        arguments: &'a str,
    },
    CustomToolCall {
        id: &'a str,
        status: &'a str,
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        input: &'a str,
    },
    LocalShellCall {
        id: &'a str,
        status: &'a str,
        call_id: &'a str,
        action: Value,
    },
}

/// A part on the wire.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in super::super) enum PartView<'a> {
    // Clients with strict types want both lists.
    OutputText { text: &'a str, annotations: [(); 0], logprobs: [(); 0] },
    Refusal { refusal: &'a str },
    SummaryText { text: &'a str },
}

impl Words {
    /// As a part whose text is `text`: all of it, or none where the part only begins.
    pub fn part<'a>(&self, text: &'a str) -> PartView<'a> {
        if self.refusal {
            PartView::Refusal { refusal: text }
        } else {
            PartView::OutputText { text, annotations: [], logprobs: [] }
        }
    }
}

impl Item {
    /// How its id begins.
    pub fn prefix(content: &Content) -> &'static str {
        match content {
            Content::Message(_) => "msg",
            Content::Reasoning { .. } => "rs",
            Content::Call { kind: StandInKind::Function, .. } => "fc",
            Content::Call { kind: StandInKind::Custom, .. } => "ctc",
            Content::Call { kind: StandInKind::LocalShell, .. } => "lsh",
        }
    }

    /// As it is written now.
    pub fn view(&self) -> ItemView<'_> {
        let (id, status) = (&*self.id, self.status);
        match &self.content {
            Content::Message(parts) => ItemView::Message {
                id,
                status,
                role: "assistant",
                content: parts.iter().map(|words| words.part(&words.text)).collect(),
            },
            Content::Reasoning { text, sealed } => ItemView::Reasoning {
                id,
                summary: Some(text)
                    .filter(|text| !text.is_empty())
                    .map(|text| PartView::SummaryText { text })
                    .into_iter()
                    .collect(),
                encrypted_content: sealed.as_deref(),
            },
            Content::Call { call_id, name, namespace, arguments, kind } => {
                let namespace = namespace.as_deref();
                match kind {
                    StandInKind::Function => {
                        ItemView::FunctionCall { id, status, call_id, name, namespace, arguments }
                    }
                    StandInKind::Custom => {
                        let input = arguments;
                        ItemView::CustomToolCall { id, status, call_id, name, namespace, input }
                    }
                    StandInKind::LocalShell => {
                        ItemView::LocalShellCall { id, status, call_id, action: action(arguments) }
                    }
                }
            }
        }
    }
}

/// The arguments of a call that is complete, as its kind of call has them.
fn complete(arguments: String, kind: StandInKind) -> String {
    match kind {
        StandInKind::Custom => custom_input(arguments),
        _ if arguments.is_empty() => "{}".to_owned(),
        _ => arguments,
    }
}

impl Content {
    /// A call of the function `name`, as one of the tool that it stands in for if it does. Nothing is
    /// known of its arguments yet.
    pub fn call(call_id: String, name: &str, stand_ins: &[StandIn]) -> Self {
        let arguments = String::new();
        match stand_ins.iter().find(|stand_in| stand_in.name == name) {
            None => {
                let (name, kind) = (name.to_owned(), StandInKind::Function);
                Self::Call { call_id, name, namespace: None, arguments, kind }
            }
            Some(StandIn { kind, tool, namespace, .. }) => {
                let (name, namespace) = (tool.clone(), namespace.clone());
                Self::Call { call_id, name, namespace, arguments, kind: *kind }
            }
        }
    }

    /// A call's arguments are all there.
    pub fn complete(&mut self) {
        if let Self::Call { arguments, kind, .. } = self {
            *arguments = complete(std::mem::take(arguments), *kind);
        }
    }
}

/// The text that a custom tool is called with. A model that calls it with something else than was
/// asked of it has most likely written that text alone.
fn custom_input(arguments: String) -> String {
    match serde_json::from_str(&arguments) {
        Ok(Value::String(input)) => input,
        Ok(Value::Object(mut members)) => match members.remove("input") {
            Some(Value::String(input)) => input,
            _ => arguments,
        },
        _ => arguments,
    }
}

/// The action of a call of `local_shell`. A command that is one text is run by a shell.
fn action(arguments: &str) -> Value {
    let mut members: Map<String, Value> = serde_json::from_str(arguments).unwrap_or_default();
    let command = match members.remove("command") {
        Some(Value::String(line)) => json!(["sh", "-c", line]),
        Some(command @ Value::Array(_)) => command,
        _ => json!([]),
    };
    let take = |name: &str| members.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "type": "exec",
        "command": command,
        "env": {},
        "timeout_ms": take("timeout_ms"),
        "user": Value::Null,
        "working_directory": take("working_directory"),
    })
}
