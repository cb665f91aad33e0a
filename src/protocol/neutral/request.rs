//! A request for a chat-like answer.

use std::collections::BTreeMap;

use memchr::memmem;
use serde_json::value::RawValue;

use super::tool::{StandIn, Tool, ToolChoice};

/// A request for a chat-like answer.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Instructions that stand before the conversation, in order, none of them empty.
    pub system: Vec<SystemText>,
    /// The conversation, as the client sent it: merging and reordering is the writer's affair.
    pub turns: Vec<Turn>,
    /// Functions that the model may call.
    pub tools: Vec<Tool>,
    /// Tools of the client that other APIs cannot say, and stand among `tools` as functions.
    pub stand_ins: Vec<StandIn>,
    /// Which of them it must or may call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once; `None` leaves it to the provider.
    pub parallel_tools: Option<bool>,
    /// The most tokens to generate, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Sampling temperature, on OpenAI's scale of 0 to 2.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// How many of the likeliest tokens to sample from.
    pub top_k: Option<u64>,
    /// Seed of the sampling.
    pub seed: Option<i64>,
    /// Penalty on tokens that were used, -2 to 2.
    pub presence_penalty: Option<f64>,
    /// Penalty on tokens by how often they were used, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// What the text must look like.
    pub format: Option<Format>,
    /// How many answers; `None` is one.
    pub choices: Option<u32>,
    /// Log probabilities: `Some(0)` those of the tokens, else of so many alternatives too.
    pub logprobs: Option<u32>,
    /// Who asks, on behalf of the client.
    pub user: Option<String>,
    /// The client's own labels.
    pub metadata: BTreeMap<String, String>,
    /// Processing tier, by OpenAI's names: `auto`, `default`, `flex`, `priority`.
    pub service_tier: Option<String>,
    /// How wordy the answer is to be: `low`, `medium`, `high`.
    pub verbosity: Option<String>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// `anthropic-beta` values that came with the request.
    pub betas: Vec<String>,
    /// Top-level members (dotted where nested) that this form has no place for and that say
    /// something: each with whether leaving it out changes what the client gets.
    pub beyond: Vec<Beyond>,
}

impl Request {
    /// Accounts for tools that the client's own provider would run, once all other tools and the
    /// choice among them are read. Beside tools of the client they are a choice less, which changes
    /// no kind of answer; alone, or chosen by name, they are what is asked for.
    pub fn offer_hosted(&mut self, hosted: impl IntoIterator<Item = Beyond>) {
        let known = |name: &String| self.tools.iter().any(|tool| tool.name == *name);
        let chosen = matches!(&self.tool_choice, Some(ToolChoice::Named(name)) if !known(name));
        let essential = self.tools.is_empty() || chosen;
        self.beyond.extend(hosted.into_iter().map(|tool| Beyond { essential, ..tool }));
    }
}

/// A member of a request that the neutral form has no place for.
#[derive(Debug, Clone)]
pub struct Beyond {
    /// Its name in the client's protocol.
    pub field: String,
    /// The client relies on it: to leave it out would give it another kind of answer.
    pub essential: bool,
    /// Its value, for a writer that knows it all the same.
    pub value: Option<Box<RawValue>>,
}

/// Text of the system's instructions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemText {
    /// The text; not empty.
    pub text: String,
    /// The prompt may be cached up to here.
    pub cache: Option<CacheMark>,
}

/// A mark up to which a prompt may be cached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheMark {
    /// How long, as the client said it (`5m`, `1h`).
    pub ttl: Option<String>,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said; may be empty.
    pub parts: Vec<Part>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The user, and the results of tools.
    User,
    /// The model.
    Assistant,
    /// Instructions in the middle of the conversation.
    System,
}

/// A piece of a message.
#[derive(Debug, Clone)]
pub enum Part {
    /// Text; may be empty, where the client sent it so.
    Text {
        /// The text.
        text: String,
        /// The prompt may be cached up to here.
        cache: Option<CacheMark>,
    },
    /// A picture.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// A document: PDF or text.
    Document(Media),
    /// The model's reasoning.
    Thinking {
        /// What may be shown of it; may be empty.
        text: String,
        /// What its maker wants back unchanged.
        state: Option<OpaqueState>,
    },
    /// The model called a function.
    ToolCall {
        /// The call's id.
        id: String,
        /// The function.
        name: String,
        /// Its arguments as the model wrote them: JSON most often, of an object most often.
        arguments: String,
        /// What its maker wants back unchanged with the call.
        state: Option<OpaqueState>,
        /// The prompt may be cached up to here.
        cache: Option<CacheMark>,
    },
    /// What a function returned.
    ToolResult {
        /// The id of the call.
        id: String,
        /// What it returned; may be empty.
        content: Vec<ResultPart>,
        /// It failed.
        is_error: bool,
        /// The prompt may be cached up to here.
        cache: Option<CacheMark>,
    },
    /// The model refused to answer, with these words.
    Refusal(String),
}

/// A piece of what a function returned.
#[derive(Debug, Clone)]
pub enum ResultPart {
    /// Text.
    Text(String),
    /// A picture.
    Image(Media),
    /// A document.
    Document(Media),
}

/// A picture, sound or document.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "a media type is called so (RFC 6838)")]
pub struct Media {
    /// Where it is.
    pub source: Source,
    /// Its media type (`image/png`), where the client said it.
    pub media_type: Option<String>,
    /// Its file name or title.
    pub name: Option<String>,
    /// OpenAI's `detail` of an image.
    pub detail: Option<String>,
    /// The prompt may be cached up to here.
    pub cache: Option<CacheMark>,
    /// Where the client put it, for messages (`messages[2].content[0].image_url`).
    pub field: String,
}

/// Where a picture, sound or document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Here, in base64 (RFC 4648, with padding).
    Base64(String),
    /// Here, as text.
    Text(String),
    /// There (`https:`, `gs:`, `s3:`).
    Url(String),
    /// Uploaded before, to the client's own account with some provider.
    File(String),
}

/// Reasoning state that only its maker can read and that must come back to it byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaqueState {
    /// Whose it is.
    pub origin: Origin,
    /// The state, as its maker wrote it.
    pub data: String,
    /// There is no readable text to it at all (Anthropic's `redacted_thinking`).
    pub redacted: bool,
}

/// Who made an opaque state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Claude, wherever it runs: signatures and redacted blocks.
    Anthropic,
    /// Gemini: thought signatures.
    Gemini,
    /// OpenAI: encrypted reasoning items.
    OpenAi,
}

/// What a foreign state begins with where a protocol has a field only for its own.
const FOREIGN_STATE: &str = "pilothouse:";

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
        }
    }
}

impl OpaqueState {
    /// Whether a JSON text holds a string that [`Self::to_field`] marked.
    pub fn is_marked_in(json: &[u8]) -> bool {
        memmem::find(json, b"\"pilothouse:").is_some()
    }

    /// The state for a field of `home`'s own protocol: as it is if it is `home`'s, else marked, so
    /// that [`Self::from_field`] knows it again when the client sends it back.
    pub fn to_field(&self, home: Origin) -> String {
        if self.origin == home {
            self.data.clone()
        } else {
            format!("{FOREIGN_STATE}{}:{}", self.origin.as_str(), self.data)
        }
    }

    /// Reads what [`Self::to_field`] wrote.
    pub fn from_field(field: &str, home: Origin, redacted: bool) -> Self {
        let foreign = field.strip_prefix(FOREIGN_STATE).and_then(|rest| {
            let (name, data) = rest.split_once(':')?;
            let known = [Origin::Anthropic, Origin::Gemini, Origin::OpenAi];
            let origin = known.into_iter().find(|origin| origin.as_str() == name)?;
            Some((origin, data))
        });
        let (origin, data) = foreign.unwrap_or((home, field));
        Self { origin, data: data.to_owned(), redacted }
    }
}

/// How much the model is to think.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// By a word.
    pub effort: Option<Effort>,
    /// By tokens; wins over the word where the target counts tokens.
    pub budget: Option<u64>,
    /// Thinking was switched on without saying how much (Anthropic's `adaptive`).
    pub adaptive: bool,
    /// Whether the caller wants to read the reasoning; `None` leaves it to the provider.
    pub visible: Option<bool>,
    /// The caller's API shows reasoning that is asked for like this, unless it is told not to.
    pub shown_unasked: bool,
}

/// How much to think, by OpenAI's words, from none to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words are the documentation")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

impl Effort {
    /// Every word, from none to most.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// OpenAI's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// Reads OpenAI's spelling.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == word)
    }
}

/// What the text of the answer must look like.
#[derive(Debug, Clone)]
pub enum Format {
    /// Any JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The schema, as the client wrote it.
        schema: Box<RawValue>,
        /// Whether it must be followed exactly.
        strict: Option<bool>,
    },
}
