//! Tools that the model may call.

use serde_json::value::RawValue;

use super::request::CacheMark;

/// A function that the model may call.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON schema of its arguments, as the client wrote it; `None` takes none.
    pub schema: Option<Box<RawValue>>,
    /// Whether arguments must follow the schema exactly.
    pub strict: Option<bool>,
    /// The prompt may be cached up to here.
    pub cache: Option<CacheMark>,
}

/// A tool of the client that other APIs cannot say as it is, and for which a function stands in.
/// Calls of that function are written for the client as calls of the tool that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// The function's name.
    pub name: String,
    /// What the client has.
    pub kind: StandInKind,
    /// The client's name for it.
    pub tool: String,
    /// The group of tools that it belongs to (OpenAI's `namespace`).
    pub namespace: Option<String>,
}

/// What a function stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandInKind {
    /// A function of a namespace: the two differ by name alone.
    Function,
    /// A tool that takes text (OpenAI's `custom`): the text is the function's member `input`.
    Custom,
    /// OpenAI's `local_shell`: the function's members are those of its `exec` action.
    LocalShell,
}

/// Which tools the model must or may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
    /// One of these: at least one of them if `required`.
    Allowed {
        /// Their names.
        names: Vec<String>,
        /// At least one must be called.
        required: bool,
    },
}
