//! What a chat completion request says, as far as the simulator heeds it.

use serde::Deserialize;
use serde_json::Value;

use crate::simulate::{
    answer::Refusal,
    content::Content,
    prompt::{Earlier, Format, MESSAGE_TOKENS, Prompt, Tool, ToolChoice},
    tokens,
};

/// OpenAI's limit of `n`.
const MAX_CHOICES: usize = 128;

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    #[serde(default)]
    messages: Vec<Message>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<usize>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    response_format: Option<Value>,
    max_completion_tokens: Option<usize>,
    max_tokens: Option<usize>,
    stop: Option<Stop>,
    reasoning_effort: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Option<Content>,
}

/// `stream_options` of chat completions and completions.
#[derive(Debug, Deserialize)]
pub(in crate::simulate::openai) struct StreamOptions {
    pub(in crate::simulate::openai) include_usage: Option<bool>,
}

/// `stop` of chat completions and completions.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "stop must be a string or an array of strings")]
pub(in crate::simulate::openai) enum Stop {
    One(String),
    Many(Vec<String>),
}

impl Stop {
    pub(in crate::simulate::openai) fn into_list(self) -> Vec<String> {
        match self {
            Self::One(stop) => vec![stop],
            Self::Many(stops) => stops,
        }
    }
}

impl Request {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.messages.is_empty() {
            return Err(Refusal::field("messages", "[] is too short - 'messages'"));
        }
        if self.stream_options.is_some() && !self.streams() {
            let message =
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            return Err(Refusal::field("stream_options", message));
        }
        if self.n.is_some_and(|n| !(1..=MAX_CHOICES).contains(&n)) {
            return Err(Refusal::field("n", format!("'n' must be from 1 to {MAX_CHOICES}.")));
        }
        let roles = ["developer", "system", "user", "assistant", "tool", "function"];
        match self.messages.iter().find(|message| !roles.contains(&message.role.as_str())) {
            None => Ok(()),
            Some(Message { role, .. }) => {
                let message = format!("Invalid value: '{role}'. Supported values are: {roles:?}.");
                Err(Refusal::field("messages", message).with_code("invalid_value"))
            }
        }
    }

    pub(super) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    pub(super) fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage == Some(true))
    }

    pub(super) fn choices(&self) -> usize {
        self.n.unwrap_or(1)
    }

    pub(super) fn into_prompt(self) -> Prompt {
        let content = |message: &Message| message.content.as_ref().map_or(0, Content::tokens);
        let messages = self.messages.iter().map(|one| content(one) + MESSAGE_TOKENS).sum::<usize>();
        let declared = self.tools.iter().flatten().map(|tool| tokens::count(&tool.to_string()));
        let tokens = messages + declared.sum::<usize>();
        let last = self.messages.last();
        let tools_returned =
            last.is_some_and(|last| last.role == "tool" || last.role == "function");
        let text = |message: &Message| message.content.as_ref().map(Content::text);
        let said = match last {
            Some(last) if tools_returned => text(last),
            _ => self.messages.iter().rev().find(|one| one.role == "user").and_then(text),
        };
        Prompt {
            said: said.unwrap_or_default(),
            tools_returned,
            prefill: last.filter(|last| last.role == "assistant").and_then(text),
            earlier: Earlier::of(
                &self.messages,
                |one| one.role == "user",
                |one| text(one).unwrap_or_default(),
            ),
            tools: self.tools.iter().flatten().filter_map(function).collect(),
            choice: choice(self.tool_choice.as_ref()),
            parallel: self.parallel_tool_calls != Some(false),
            format: format(self.response_format),
            limit: self.max_completion_tokens.or(self.max_tokens),
            stops: self.stop.map_or_else(Vec::new, Stop::into_list),
            tokens,
            reasoning: self.reasoning_effort.is_some_and(|effort| effort != "none"),
        }
    }
}

fn function(tool: &Value) -> Option<Tool> {
    let function = tool.get("function")?;
    Some(Tool {
        name: function.get("name")?.as_str()?.to_owned(),
        schema: function.get("parameters").cloned().unwrap_or_default(),
    })
}

fn choice(choice: Option<&Value>) -> ToolChoice {
    match choice {
        Some(Value::String(choice)) if choice == "none" => ToolChoice::None,
        Some(Value::String(choice)) if choice == "required" => ToolChoice::Required,
        Some(choice) => match choice.pointer("/function/name").and_then(Value::as_str) {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None if choice.pointer("/allowed_tools/mode") == Some(&"required".into()) => {
                ToolChoice::Required
            }
            None => ToolChoice::Auto,
        },
        None => ToolChoice::Auto,
    }
}

fn format(format: Option<Value>) -> Format {
    let Some(mut format) = format else { return Format::Text };
    match format.get("type").and_then(Value::as_str) {
        Some("json_object") => Format::Json,
        Some("json_schema") => format
            .pointer_mut("/json_schema/schema")
            .map_or(Format::Json, |schema| Format::Schema(schema.take())),
        _ => Format::Text,
    }
}
