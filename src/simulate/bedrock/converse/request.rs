//! What a request says. Members that the service model does not have are refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::content::{Block, CachePoint, Unread};
use crate::simulate::{
    prompt::{Earlier, Format, MESSAGE_TOKENS, Prompt, Tool, ToolChoice},
    tokens,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Request {
    pub(super) messages: Vec<Message>,
    #[serde(default)]
    pub(super) system: Vec<Block>,
    #[serde(default)]
    pub(super) inference_config: Inference,
    pub(super) tool_config: Option<ToolConfig>,
    pub(super) output_config: Option<OutputConfig>,
    #[serde(default)]
    pub(super) additional_model_request_fields: Map<String, Value>,
    #[serde(default)]
    pub(super) additional_model_response_field_paths: Vec<String>,
    #[serde(rename = "requestMetadata", default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) service_tier: Option<Tier>,
    #[serde(rename = "guardrailConfig")]
    _guardrail_config: Option<Value>,
    #[serde(rename = "performanceConfig")]
    _performance_config: Option<Value>,
    #[serde(rename = "promptVariables")]
    _prompt_variables: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) content: Vec<Block>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Role {
    User,
    Assistant,
    System,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Inference {
    pub(super) max_tokens: Option<usize>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    #[serde(default)]
    pub(super) stop_sequences: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ToolConfig {
    pub(super) tools: Vec<ToolEntry>,
    pub(super) tool_choice: Option<Choice>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ToolEntry {
    ToolSpec(ToolSpec),
    SystemTool(Unread),
    CachePoint(CachePoint),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ToolSpec {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) input_schema: InputSchema,
    #[serde(rename = "strict")]
    _strict: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputSchema {
    pub(super) json: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Choice {
    Auto {},
    Any {},
    Tool(Named),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OutputConfig {
    pub(super) text_format: Option<TextFormat>,
    #[serde(rename = "effort")]
    _effort: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TextFormat {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) structure: Structure,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Structure {
    JsonSchema(JsonSchema),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JsonSchema {
    /// JSON, written as a string.
    pub(super) schema: String,
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tier {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

impl Request {
    pub(super) fn specs(&self) -> impl Iterator<Item = &ToolSpec> {
        let entries = self.tool_config.iter().flat_map(|config| &config.tools);
        entries.filter_map(|entry| match entry {
            ToolEntry::ToolSpec(spec) => Some(spec),
            ToolEntry::SystemTool(_) | ToolEntry::CachePoint(_) => None,
        })
    }

    /// A member of the additional fields, by its JSON pointer.
    pub(super) fn extra(&self, pointer: &str) -> Option<&Value> {
        let (name, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
        let member = self.additional_model_request_fields.get(name)?;
        if rest.is_empty() { Some(member) } else { member.pointer(&format!("/{rest}")) }
    }

    /// Whether Claude is told to think.
    pub(super) fn thinks(&self) -> bool {
        self.extra("thinking/type").is_some_and(|kind| kind != "disabled")
    }

    /// Whether thinking is shown and not only signed.
    pub(super) fn shows_thinking(&self) -> bool {
        self.extra("thinking/display").is_none_or(|display| display != "omitted")
    }

    /// Whether the stop text that came is asked for.
    pub(super) fn tells_stop(&self) -> bool {
        self.additional_model_response_field_paths.iter().any(|path| path == "/stop_sequence")
    }

    pub(super) fn schema(&self) -> Option<Value> {
        let format = self.output_config.as_ref()?.text_format.as_ref()?;
        let Structure::JsonSchema(schema) = &format.structure;
        serde_json::from_str(&schema.schema).ok()
    }

    pub(super) fn into_prompt(self) -> Prompt {
        let messages =
            self.messages.iter().map(|one| counted(&one.content) + MESSAGE_TOKENS).sum::<usize>();
        let declared = self.specs().map(|spec| {
            let schema = Value::Object(spec.input_schema.json.clone()).to_string();
            let described = tokens::count(spec.description.as_deref().unwrap_or_default());
            tokens::count(&spec.name) + described + tokens::count(&schema)
        });
        let tokens = counted(&self.system) + messages + declared.sum::<usize>();
        let last = self.messages.last();
        let user = self.messages.iter().rev().find(|one| one.role == Role::User);
        let returned =
            |one: &Message| one.content.iter().any(|block| matches!(block, Block::ToolResult(_)));
        let reasoning = self.thinks()
            || self.extra("reasoningConfig/type").is_some_and(|kind| kind == "enabled")
            || ["reasoning_effort", "reasoning/effort"]
                .iter()
                .any(|at| self.extra(at).is_some_and(|effort| effort != "none"));
        Prompt {
            said: user.map(Message::text).unwrap_or_default(),
            tools_returned: user.is_some_and(returned),
            prefill: last.filter(|one| one.role == Role::Assistant).map(Message::text),
            earlier: Earlier::of(&self.messages, |one| one.role == Role::User, Message::text),
            tools: self.specs().map(ToolSpec::read).collect(),
            choice: self.choice(),
            parallel: self.extra("tool_choice/disable_parallel_tool_use")
                != Some(&Value::Bool(true)),
            format: self.schema().map_or(Format::Text, Format::Schema),
            limit: self.inference_config.max_tokens,
            tokens,
            reasoning,
            stops: self.inference_config.stop_sequences,
        }
    }

    fn choice(&self) -> ToolChoice {
        match self.tool_config.as_ref().and_then(|config| config.tool_choice.as_ref()) {
            None | Some(Choice::Auto {}) => ToolChoice::Auto,
            Some(Choice::Any {}) => ToolChoice::Required,
            Some(Choice::Tool(named)) => ToolChoice::Named(named.name.clone()),
        }
    }
}

impl ToolSpec {
    fn read(&self) -> Tool {
        let schema = Value::Object(self.input_schema.json.clone());
        Tool { name: self.name.clone(), schema }
    }
}

impl Message {
    /// All text, in order, tool results included.
    pub(super) fn text(&self) -> String {
        let texts = self.content.iter().map(Block::text).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join("\n")
    }
}

fn counted(blocks: &[Block]) -> usize {
    blocks.iter().map(Block::tokens).sum()
}
