//! What a request says, as far as the simulator heeds it.

use serde_json::Value;

use super::rules::{list, parts};
use crate::simulate::{
    prompt::{Earlier, Format, MESSAGE_TOKENS, Prompt, Tool, ToolChoice},
    tokens,
};

/// What a picture, sound or document counts, as in the other APIs.
const MEDIA_TOKENS: usize = 85;

/// Reads a request that was checked.
pub(super) fn read(request: &Value) -> Prompt {
    let contents = list(request, "contents");
    let is_model = |content: &&Value| content.get("role").is_some_and(|role| role == "model");
    let user = contents.iter().rev().find(|content| !is_model(content));
    let last = contents.last();
    let config = request.get("generationConfig").unwrap_or(&Value::Null);
    let said: usize = contents.iter().map(|one| count(one) + MESSAGE_TOKENS).sum();
    let declared: usize =
        list(request, "tools").iter().map(|tool| tokens::count(&tool.to_string())).sum();
    let (choice, tools) = choice(request);
    let limit = config.get("maxOutputTokens").and_then(Value::as_u64);
    let stops = list(config, "stopSequences").iter().filter_map(Value::as_str);
    Prompt {
        said: user.map(text).unwrap_or_default(),
        tools_returned: user.is_some_and(|user| !parts(user, "functionResponse").is_empty()),
        prefill: last.filter(is_model).map(text),
        earlier: Earlier::of(contents, |one| !is_model(&one), text),
        tools,
        choice,
        parallel: true,
        format: format(config),
        limit: limit.and_then(|limit| usize::try_from(limit).ok()),
        stops: stops.map(str::to_owned).collect(),
        tokens: said + declared + request.get("systemInstruction").map_or(0, count),
        reasoning: config.get("thinkingConfig").is_some_and(thinks),
    }
}

fn thinks(thinking: &Value) -> bool {
    thinking.get("thinkingBudget").is_none_or(|budget| budget != 0)
}

/// All text but thoughts, results of functions included.
fn text(content: &Value) -> String {
    let texts = list(content, "parts").iter().filter_map(|part| {
        if part.get("thought").is_some_and(|thought| thought == true) {
            return None;
        }
        let said = part.get("text").and_then(Value::as_str).map(str::to_owned);
        said.or_else(|| part.get("functionResponse").map(returned)).filter(|text| !text.is_empty())
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn returned(result: &Value) -> String {
    let response = result.get("response").unwrap_or(&Value::Null);
    let convention = ["output", "result", "error"];
    let text = convention.iter().find_map(|name| response.get(*name)?.as_str());
    text.map_or_else(|| response.to_string(), str::to_owned)
}

fn count(content: &Value) -> usize {
    let media = ["inlineData", "fileData"];
    let pictures = list(content, "parts")
        .iter()
        .filter(|part| media.iter().any(|name| part.get(*name).is_some()))
        .count();
    tokens::count(&text(content)) + pictures * MEDIA_TOKENS
}

fn choice(request: &Value) -> (ToolChoice, Vec<Tool>) {
    let functions =
        list(request, "tools").iter().flat_map(|tool| list(tool, "functionDeclarations"));
    let mut tools: Vec<Tool> = functions
        .filter_map(|function| {
            let plain = function.get("parametersJsonSchema").cloned();
            let subset = || function.get("parameters").map(lower_case);
            Some(Tool {
                name: function.get("name")?.as_str()?.to_owned(),
                schema: plain.or_else(subset).unwrap_or_default(),
            })
        })
        .collect();
    let calling = request.pointer("/toolConfig/functionCallingConfig").unwrap_or(&Value::Null);
    let mode = calling.get("mode").and_then(Value::as_str).unwrap_or_default();
    let allowed: Vec<&str> =
        list(calling, "allowedFunctionNames").iter().filter_map(Value::as_str).collect();
    if !allowed.is_empty() {
        tools.retain(|tool| allowed.contains(&tool.name.as_str()));
    }
    let choice = match (mode.to_ascii_uppercase().as_str(), allowed.as_slice()) {
        ("NONE", _) => ToolChoice::None,
        ("ANY", [one]) => ToolChoice::Named((*one).to_owned()),
        ("ANY", _) => ToolChoice::Required,
        _ => ToolChoice::Auto,
    };
    (choice, tools)
}

fn format(config: &Value) -> Format {
    let kind = config.get("responseMimeType").and_then(Value::as_str);
    let schema = config.get("responseJsonSchema").cloned();
    let schema = schema.or_else(|| config.get("responseSchema").map(lower_case));
    match (kind, schema) {
        (Some("application/json"), Some(schema)) => Format::Schema(schema),
        (Some("application/json"), None) => Format::Json,
        _ => Format::Text,
    }
}

/// A schema of Google's with its types as JSON Schema writes them.
fn lower_case(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("type", Value::String(word)) => (name.clone(), word.to_ascii_lowercase().into()),
                _ => (name.clone(), lower_case(value)),
            })
            .collect(),
        Value::Array(list) => list.iter().map(lower_case).collect(),
        other => other.clone(),
    }
}
