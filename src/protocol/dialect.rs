//! How a chat-like API is read into the neutral form and written from it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::Malformed;
use super::model::ModelFacts;
use super::neutral::{CannotCross, Crossing, Event, MediaKind, Reply, Request, StandIn};
use super::transcript::Seen;

/// One chat-like API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DialectId {
    /// `POST /v1/chat/completions` (OpenAI).
    OpenAiChat,
    /// `POST /v1/completions` (OpenAI, legacy).
    OpenAiCompletions,
    /// `POST /v1/responses` (OpenAI).
    OpenAiResponses,
    /// `POST /v1/messages` (Anthropic).
    AnthropicMessages,
    /// `POST /model/{id}/converse` and `/converse-stream` (Amazon Bedrock).
    BedrockConverse,
    /// `POST /models/{id}:generateContent` and `:streamGenerateContent` (Gemini API, Vertex AI).
    Gemini,
}

/// Reads and writes one chat-like API.
pub trait Dialect: Sync {
    /// Which API this is.
    fn id(&self) -> DialectId;

    /// Reads a client's request. The body was checked to be a JSON object; `model` and `stream` may
    /// come from the path instead, and are then set by the caller.
    fn read_request(&self, body: &[u8]) -> Result<Request, Unreadable>;

    /// Whether a client's request holds reasoning state that another provider made, which this API's
    /// own providers would refuse: such a request cannot pass as bytes.
    fn holds_foreign_state(&self, _body: &[u8]) -> bool {
        false
    }

    /// Whether its targets have to be sent the bytes of a picture or document that the client names
    /// by a URL of the web. Where they fetch it themselves, or take none in any form, they do not.
    fn wants_bytes(&self, kind: MediaKind, quirks: &Quirks) -> bool;

    /// Members of a client's request that this vendor refuses, although the API has them: such a
    /// request cannot pass as it is. `betas` are those that it comes with.
    fn refused(&self, _quirks: &Quirks, _betas: &[String]) -> Vec<Refused> {
        Vec::new()
    }

    /// Writes a request for a target. What is lost on the way goes into `crossing`.
    fn write_request(
        &self,
        request: &Request,
        target: &TargetView<'_>,
        crossing: &mut Crossing,
    ) -> Result<Written, CannotCross>;

    /// Reads a provider's whole answer, which is no error.
    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed>;

    /// Writes a whole answer for a client.
    fn write_reply(&self, reply: &Reply, client: &ClientView<'_>) -> Bytes;

    /// A reader for one provider's stream.
    fn event_reader(&self) -> Box<dyn EventReader>;

    /// A writer for one client's stream.
    fn event_writer(&self, client: &ClientView<'_>) -> Box<dyn EventWriter>;
}

/// Reads a provider's stream, event by event.
pub trait EventReader: Send {
    /// What this event says, if anything, is appended to `events`. `name` is the name of the event
    /// (of SSE, or `:event-type` of an AWS event stream), `data` its data.
    fn read(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed>;

    /// The stream is over: appends what can be said only now (a finish that its vendor tells by
    /// closing). Must not make a cut answer look finished.
    fn close(&mut self, events: &mut Vec<Event>);
}

/// Writes a client's stream, event by event.
pub trait EventWriter: Send {
    /// Appends what the client is sent for this event, if anything, to `out`: whole frames only.
    /// Never called with [`Event::Error`], and after [`Event::End`] not at all.
    fn write(&mut self, event: &Event, out: &mut Vec<u8>);

    /// The client has had its stream from somebody else so far, and is where `seen` says. The events
    /// that it amounts to were written, to nobody.
    fn catch_up(&mut self, _seen: &Seen) {}
}

/// What a writer of requests must know of the target.
#[derive(Debug, Clone, Copy)]
pub struct TargetView<'a> {
    /// The model to ask for.
    pub model: &'a str,
    /// What that model takes.
    pub facts: &'a ModelFacts,
    /// How its vendor deviates from the API.
    pub quirks: &'a Quirks,
}

/// How a vendor deviates from the API that it speaks.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Quirks {
    /// The field that bounds the output of a chat completion.
    pub max_tokens_field: &'static str,
    /// A streamed chat may be asked for its usage with `stream_options.include_usage`.
    pub stream_usage: bool,
    /// It knows the role `developer`; others are told `system`.
    pub developer_role: bool,
    /// It refuses members that its reference does not have (`top_k` and the like), rather than
    /// ignoring them.
    pub refuses_unknown: bool,
    /// It is OpenAI itself or Azure: no `top_k`, ids of calls of at most 40 characters.
    pub openai_itself: bool,
    /// The field in which it wants its own reasoning back in history, if it wants it.
    pub reasoning_field: Option<&'static str>,
    /// It fetches pictures from `https:` URLs.
    pub image_urls: bool,
    /// A cloud, where labels and tiers are other ones than at the API's own vendor.
    pub cloud: bool,
    /// The betas of Anthropic's API that pass; `None` is all of them. Whoever has such a list takes
    /// members that belong to a beta only with it.
    pub betas: Option<&'static Betas>,
    /// Members of a chat completion that it refuses, though OpenAI has them.
    pub lacks: &'static [&'static str],
    /// Its word for "at least one tool must be called"; `None` if it cannot be forced to call any.
    pub required_word: Option<&'static str>,
    /// The member that holds the seed.
    pub seed_field: &'static str,
    /// The highest temperature that it takes.
    pub max_temperature: f64,
    /// It wants ids of calls of exactly nine letters and digits.
    pub nine_character_ids: bool,
    /// Thinking is asked for with `enable_thinking` and `thinking_budget`, not by a word.
    pub thinking_switch: bool,
    /// It knows Gemini's thought signatures, as Google's own endpoint carries them in chat
    /// completions (`extra_content.google.thought_signature`).
    pub thought_signatures: bool,
    /// How it is told to go on with words of the model that end a conversation (prefill).
    pub continuation: Continuation,
}

/// How a server is told to go on with words of the model that end a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuation {
    /// Not at all: it goes on by itself, or begins anew.
    ByItself,
    /// By `continue_final_message`, with no new message begun (`add_generation_prompt`).
    Flag,
    /// By `prefix` on that message; the answer begins with its words.
    Prefix,
}

impl Quirks {
    /// A server without deviations of its own, which knows little and ignores what it does not know.
    pub const COMPATIBLE: Self = Self {
        max_tokens_field: "max_tokens",
        stream_usage: true,
        developer_role: false,
        refuses_unknown: false,
        openai_itself: false,
        reasoning_field: None,
        image_urls: true,
        cloud: false,
        betas: None,
        lacks: &[],
        required_word: Some("required"),
        seed_field: "seed",
        max_temperature: 2.0,
        nine_character_ids: false,
        thinking_switch: false,
        thought_signatures: false,
        continuation: Continuation::ByItself,
    };
}

/// The betas of Anthropic's API that a cloud knows. One that it does not know costs the request: a
/// 400, or a closed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Betas {
    /// Their names, which are Anthropic's.
    pub known: &'static [&'static str],
    /// Anthropic's names of those that have another name there.
    pub renamed: &'static [(&'static str, &'static str)],
}

impl Betas {
    /// The name by which the cloud knows it, if it does.
    pub fn name_of<'b>(&self, beta: &'b str) -> Option<&'b str> {
        let renamed = self.renamed.iter().find(|(name, _)| *name == beta);
        renamed.map(|(_, theirs)| *theirs).or_else(|| self.known.contains(&beta).then_some(beta))
    }
}

/// A member of a client's body that a vendor refuses, although the API has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Where it stands; `*` is each element of a list.
    pub path: &'static [&'static str],
    /// What it costs to leave it out.
    pub loss: Loss,
}

/// What it costs to leave a member out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing of the answer.
    None,
    /// The answer may be worse: the client is told.
    Quality,
    /// The answer's form: the same has to be said in another way, so the request is written anew.
    Form,
}

/// A request as a target gets it.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The body.
    pub body: Bytes,
    /// Headers that belong to it, such as `anthropic-beta`.
    pub headers: Vec<(&'static str, String)>,
    /// What has to be undone in the answer.
    pub undo: Undo,
}

/// What has to be undone in an answer, because the request could not be written as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undo {
    /// Names of tools that had to be shortened: as written, as the client knows them.
    pub tool_names: BTreeMap<String, String>,
    /// A tool by this name stands for the format of the text: what it is called with is the text.
    pub format_tool: Option<FormatTool>,
    /// The model was given these words to begin with, and its answer may repeat them.
    pub prefix: Option<String>,
}

/// A tool that stands for a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatTool {
    /// The tool's name.
    pub name: String,
    /// The schema's root was no object: the text is the member of this name.
    pub wrapped_in: Option<String>,
}

/// What a writer of answers must know of the request it answers.
#[derive(Debug, Clone, Copy)]
pub struct ClientView<'a> {
    /// The model that is named in the answer: the one that the target was asked for, as where
    /// nothing is translated.
    pub model: &'a str,
    /// The gateway's id of the request, for answers whose provider gives none.
    pub request_id: &'a str,
    /// When the answer began: seconds since 1970.
    pub created: u64,
    /// The client asked for usage in the stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// Tools of the client for which functions stand in ([`Request::stand_ins`]).
    pub stand_ins: &'a [StandIn],
}

/// A client's request that is not of its protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{param}` {message}")]
pub struct Unreadable {
    /// The field, dotted and numbered (`messages[2].content[0].text`).
    pub param: String,
    /// What it should be.
    pub message: Cow<'static, str>,
}

impl Unreadable {
    /// A field that is not what it should be.
    pub fn new(param: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { param: param.into(), message: message.into() }
    }
}
