//! Vectors as they stand in their folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pilothouse::protocol::dialect::DialectId;
use pilothouse::protocol::model::ModelFacts;
use pilothouse::protocol::registry::OPERATIONS;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::dialect::name;

/// What a vector's input is, or why it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A client's request.
    Request,
    /// A provider's whole answer.
    Reply,
    /// A provider's stream.
    Stream,
    /// It is about bytes on the wire: tests beside that code.
    Elsewhere,
    /// What it is about is not built.
    Missing,
}

/// One vector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Vector {
    #[serde(skip)]
    pub folder: PathBuf,
    pub number: u32,
    /// What must be true of the outputs.
    pub title: String,
    /// Whose bug it was: E envoyproxy/ai-gateway, A agentgateway, L BerriAI/litellm, with numbers
    /// of pull requests or issues.
    pub source: String,
    pub kind: Kind,
    /// The dialect of the input.
    from: Option<String>,
    /// The body as it is sent, or the list of a stream's events.
    pub input: Option<Box<RawValue>>,
    /// The dialects it is written in, where that is not all that chat.
    #[serde(default)]
    to: Vec<String>,
    /// Whom a request is written for, by dialect, where it matters.
    #[serde(default)]
    pub targets: BTreeMap<String, Target>,
    #[serde(default)]
    pub client: Client,
    /// Names of tools to be undone in an answer, as a request's writing left them.
    #[serde(default)]
    pub undo: BTreeMap<String, String>,
    /// Texts that every output holds byte by byte.
    #[serde(default)]
    pub verbatim: Vec<String>,
    /// `FILE::FUNCTION` of its tests elsewhere.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Why it is missing.
    pub why: Option<String>,
}

/// Whom a request is written for.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    pub model: Option<String>,
    pub provider: Option<String>,
    /// In place of what is known of the model.
    pub facts: Option<ModelFacts>,
}

/// Who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Client {
    /// `stream_options.include_usage`.
    pub include_usage: bool,
    /// How many choices it asked for.
    pub choices: Option<usize>,
    /// `anthropic-beta`.
    pub betas: Vec<String>,
}

/// One event of an input.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputEvent {
    pub event: Option<String>,
    pub data: Box<RawValue>,
}

impl Vector {
    pub fn folder_name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// Whether it is an input with outputs.
    pub fn is_data(&self) -> bool {
        matches!(self.kind, Kind::Request | Kind::Reply | Kind::Stream)
    }

    /// The dialect of its input.
    pub fn from(&self) -> DialectId {
        by_name(self.from.as_deref().unwrap_or_else(|| panic!("{}", self.folder_name())))
    }

    pub fn input(&self) -> &RawValue {
        self.input.as_deref().unwrap_or_else(|| panic!("{}", self.folder_name()))
    }

    /// The dialects it is written in: those that it names, else all in which one can chat.
    pub fn written_in(&self, dialects: &[DialectId]) -> impl Iterator<Item = DialectId> {
        let chats = |dialect: &DialectId| *dialect != DialectId::OpenAiCompletions;
        let mut written: Vec<_> = self.to.iter().map(|name| by_name(name)).collect();
        if self.is_data() && written.is_empty() {
            written.extend(dialects.iter().copied().filter(chats));
        }
        written.into_iter()
    }
}

fn by_name(wanted: &str) -> DialectId {
    let mut dialects = OPERATIONS.iter().filter_map(|row| row.dialect);
    dialects.find(|dialect| name(*dialect) == wanted).expect(wanted)
}

/// Every vector, in order of the folders.
pub fn all() -> Vec<Vector> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.into_iter().map(read).collect()
}

fn read(folder: PathBuf) -> Vector {
    let path = folder.join("vector.json");
    let what = path.display().to_string();
    let text = fs::read_to_string(&path).expect(&what);
    let vector: Vector =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
    Vector { folder, ..vector }
}
