//! What a responses request says, as far as the simulator heeds it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::simulate::{
    answer::Refusal,
    content::Content,
    prompt::{Earlier, Format, MESSAGE_TOKENS, Prompt, Tool, ToolChoice},
    tokens,
};

/// Settings that every response repeats, with what they are when the request is silent.
const ECHOED: [(&str, &str); 13] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("service_tier", r#""default""#),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
];

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    input: Option<Input>,
    stream: Option<bool>,
    /// All the rest, of which much is only repeated.
    #[serde(flatten)]
    settings: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "input must be a string or an array of items")]
enum Input {
    Text(String),
    Items(Vec<Item>),
}

#[derive(Debug, Deserialize)]
struct Item {
    /// Missing on messages.
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    content: Option<Content>,
    output: Option<Content>,
    arguments: Option<String>,
}

impl Item {
    fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    fn tokens(&self) -> usize {
        let texts = self.content.iter().chain(&self.output).map(Content::tokens).sum::<usize>();
        let arguments = self.arguments.as_deref().map_or(0, tokens::count);
        texts + arguments + MESSAGE_TOKENS
    }
}

impl Request {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.input.is_none() {
            return Err(Refusal::field("input", "Missing required parameter: 'input'."));
        }
        for kept in ["previous_response_id", "conversation"] {
            if self.setting(kept).is_some() {
                let message = format!("'{kept}' cannot be found: this server stores nothing.");
                return Err(Refusal::invalid(message).with_code("not_found"));
            }
        }
        Ok(())
    }

    pub(super) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    /// The settings that every response object repeats.
    pub(super) fn echoed(&self) -> Map<String, Value> {
        let mut echoed: Map<_, _> = ECHOED
            .iter()
            .map(|(name, default)| {
                let given = self.setting(name).cloned();
                let value = given.or_else(|| serde_json::from_str(default).ok());
                ((*name).to_owned(), value.unwrap_or_default())
            })
            .collect();
        echoed.insert("store".to_owned(), json!(false));
        echoed
    }

    pub(super) fn into_prompt(self) -> Prompt {
        let (items, text) = match self.input {
            Some(Input::Items(ref items)) => (items.as_slice(), None),
            Some(Input::Text(ref text)) => (&[][..], Some(text)),
            None => (&[][..], None),
        };
        let last = items.last();
        let tools_returned = last.is_some_and(|last| last.is("function_call_output"));
        let role = |item: &Item, role: &str| item.role.as_deref() == Some(role);
        let said = match last {
            Some(last) if tools_returned => last.output.as_ref().map(Content::text),
            _ => items.iter().rev().find(|item| role(item, "user")).map(Item::text),
        };
        let declared = self.list("tools").iter().map(|tool| tokens::count(&tool.to_string()));
        let instructions = self.setting("instructions").and_then(Value::as_str);
        let input = text.map_or(0, |text| tokens::count(text) + MESSAGE_TOKENS)
            + items.iter().map(Item::tokens).sum::<usize>()
            + instructions.map_or(0, |text| tokens::count(text) + MESSAGE_TOKENS);
        Prompt {
            said: text.cloned().or(said).unwrap_or_default(),
            tools_returned,
            prefill: last.filter(|item| role(item, "assistant")).map(Item::text),
            earlier: Earlier::of(items, |item| role(item, "user"), Item::text),
            tools: self.list("tools").iter().filter_map(function).collect(),
            choice: self.setting("tool_choice").map_or(ToolChoice::Auto, choice),
            parallel: self.setting("parallel_tool_calls") != Some(&json!(false)),
            format: self.format(),
            limit: self
                .setting("max_output_tokens")
                .and_then(Value::as_u64)
                .and_then(|limit| usize::try_from(limit).ok()),
            stops: Vec::new(),
            tokens: input + declared.sum::<usize>(),
            reasoning: self.reasons(),
        }
    }

    fn setting(&self, name: &str) -> Option<&Value> {
        self.settings.get(name).filter(|value| !value.is_null())
    }

    fn list(&self, name: &str) -> &[Value] {
        self.setting(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn format(&self) -> Format {
        let format = self.setting("text").and_then(|text| text.get("format"));
        match format.and_then(|format| format["type"].as_str()) {
            Some("json_object") => Format::Json,
            Some("json_schema") => format
                .and_then(|format| format.get("schema"))
                .map_or(Format::Json, |schema| Format::Schema(schema.clone())),
            _ => Format::Text,
        }
    }

    fn reasons(&self) -> bool {
        let effort = self.setting("reasoning").and_then(|reasoning| reasoning["effort"].as_str());
        effort.is_some_and(|effort| effort != "none")
    }
}

impl Item {
    fn text(&self) -> String {
        self.content.as_ref().map(Content::text).unwrap_or_default()
    }
}

fn function(tool: &Value) -> Option<Tool> {
    (tool["type"] == "function").then_some(())?;
    Some(Tool { name: tool["name"].as_str()?.to_owned(), schema: tool["parameters"].clone() })
}

fn choice(choice: &Value) -> ToolChoice {
    match (choice.as_str(), choice["type"].as_str(), choice["name"].as_str()) {
        (Some("none"), ..) => ToolChoice::None,
        (Some("required"), ..) => ToolChoice::Required,
        (None, Some("function"), Some(name)) => ToolChoice::Named(name.to_owned()),
        (None, Some("allowed_tools"), _) if choice["mode"] == "required" => ToolChoice::Required,
        _ => ToolChoice::Auto,
    }
}
