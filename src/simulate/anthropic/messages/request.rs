//! What a messages request says, as far as the simulator heeds it.

use serde::Deserialize;
use serde_json::Value;

use crate::simulate::{
    answer::Refusal,
    content::Content,
    prompt::{Earlier, Format, MESSAGE_TOKENS, Prompt, Tool, ToolChoice},
    tokens,
};

#[derive(Debug, Deserialize)]
pub(in crate::simulate) struct Request {
    #[serde(default)]
    messages: Vec<Message>,
    max_tokens: Option<usize>,
    system: Option<Content>,
    stream: Option<bool>,
    stop_sequences: Option<Vec<String>>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Choice>,
    thinking: Option<Thinking>,
    output_config: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Content,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
    display: Option<String>,
}

impl Request {
    pub(in crate::simulate) fn check(&self) -> Result<(), Refusal> {
        if self.messages.is_empty() {
            return Err(Refusal::invalid("messages: at least one message is required"));
        }
        let roles = ["user", "assistant", "system"];
        match self.messages.iter().position(|message| !roles.contains(&message.role.as_str())) {
            None => Ok(()),
            Some(at) => Err(Refusal::invalid(format!(
                "messages.{at}.role: must be one of user, assistant, system"
            ))),
        }
    }

    /// A message needs a limit; counting tokens does not.
    pub(super) fn check_limit(&self) -> Result<(), Refusal> {
        match self.max_tokens {
            Some(_) => Ok(()),
            None => Err(Refusal::invalid("max_tokens: Field required")),
        }
    }

    pub(in crate::simulate) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether thinking is shown and not only signed.
    pub(super) fn shows_thinking(&self) -> bool {
        self.thinking.as_ref().and_then(|one| one.display.as_deref()) != Some("omitted")
    }

    pub(super) fn into_prompt(self) -> Prompt {
        let messages = self.messages.iter().map(|one| one.content.tokens() + MESSAGE_TOKENS);
        let declared = self.tools.iter().flatten().map(|tool| tokens::count(&tool.to_string()));
        let system = self.system.as_ref().map_or(0, Content::tokens);
        let tokens = system + messages.sum::<usize>() + declared.sum::<usize>();
        let last = self.messages.last();
        let user = self.messages.iter().rev().find(|one| one.role == "user");
        let choice = self.tool_choice.as_ref();
        let schema = self.output_config.as_ref().and_then(|one| one.pointer("/format/schema"));
        Prompt {
            said: user.map(|one| one.content.text()).unwrap_or_default(),
            tools_returned: user.is_some_and(|one| one.content.has("tool_result")),
            prefill: last.filter(|one| one.role == "assistant").map(|one| one.content.text()),
            earlier: Earlier::of(
                &self.messages,
                |one| one.role == "user",
                |one| one.content.text(),
            ),
            tools: self.tools.iter().flatten().filter_map(client_tool).collect(),
            choice: choice.map_or(ToolChoice::Auto, Choice::read),
            parallel: choice.and_then(|choice| choice.disable_parallel_tool_use) != Some(true),
            format: schema.map_or(Format::Text, |schema| Format::Schema(schema.clone())),
            limit: self.max_tokens,
            stops: self.stop_sequences.unwrap_or_default(),
            tokens,
            reasoning: self.thinking.is_some_and(|thinking| thinking.kind != "disabled"),
        }
    }
}

impl Choice {
    fn read(&self) -> ToolChoice {
        match (self.kind.as_str(), &self.name) {
            ("none", _) => ToolChoice::None,
            ("any", _) => ToolChoice::Required,
            ("tool", Some(name)) => ToolChoice::Named(name.clone()),
            _ => ToolChoice::Auto,
        }
    }
}

/// Tools that Anthropic runs itself have no schema of the client's.
fn client_tool(tool: &Value) -> Option<Tool> {
    Some(Tool {
        name: tool.get("name")?.as_str()?.to_owned(),
        schema: tool.get("input_schema")?.clone(),
    })
}
