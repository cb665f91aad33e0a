//! Rules of tools, their calls and their results.

use std::collections::BTreeSet;

use super::{Message, Refusal, Request, Role, blocks, require};
use crate::simulate::bedrock::converse::{
    content::{Block, ToolResult},
    request::{Choice, ToolEntry},
};

/// Longest name of a tool and id of a call.
const LONGEST: usize = 64;

pub(super) fn check(request: &Request) -> Result<(), Refusal> {
    let used = request.messages.iter().flat_map(|message| &message.content);
    let used = used.filter(|block| matches!(block, Block::ToolUse(_) | Block::ToolResult(_)));
    require(request.tool_config.is_some() || used.count() == 0, || {
        "The toolConfig field must be defined when using toolUse and toolResult content blocks."
            .to_owned()
    })?;
    declared(request)?;
    for (index, message) in request.messages.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &request.messages[before]);
        results(before, message, index)?;
        calls(message, index, request.messages.get(index + 1))?;
    }
    Ok(())
}

fn declared(request: &Request) -> Result<(), Refusal> {
    let Some(config) = &request.tool_config else { return Ok(()) };
    require(!config.tools.is_empty(), || {
        "Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater \
         than or equal to 1"
            .to_owned()
    })?;
    require(!matches!(config.tools[0], ToolEntry::CachePoint(_)), || {
        "toolConfig.tools.0: a cachePoint must follow a tool.".to_owned()
    })?;
    for entry in &config.tools {
        if let ToolEntry::CachePoint(point) = entry {
            blocks::cache_point(point, "toolConfig.tools")?;
        }
    }
    let mut names = BTreeSet::new();
    for spec in request.specs() {
        name("toolConfig.tools.toolSpec.name", &spec.name)?;
        require(names.insert(spec.name.as_str()), || {
            format!("The tool {} is defined more than once.", spec.name)
        })?;
        require(spec.description.as_ref().is_none_or(|text| !text.is_empty()), || {
            "Value at 'toolConfig.tools.toolSpec.description' failed to satisfy constraint: Member \
             must have length greater than or equal to 1"
                .to_owned()
        })?;
        let object = spec.input_schema.json.get("type").is_some_and(|kind| kind == "object");
        require(object, || {
            format!(
                "The value at toolConfig.tools.toolSpec.inputSchema.json.type must be one of the \
                 following: object ({}).",
                spec.name
            )
        })?;
    }
    if let Some(Choice::Tool(named)) = &config.tool_choice {
        require(names.contains(named.name.as_str()), || {
            format!("The tool {} of toolChoice is not defined.", named.name)
        })?;
    }
    Ok(())
}

fn name(place: &str, name: &str) -> Result<(), Refusal> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    require((1..=LONGEST).contains(&name.len()) && name.chars().all(legal), || {
        format!(
            "Value '{name}' at '{place}' failed to satisfy constraint: Member must satisfy regular \
             expression pattern: [a-zA-Z0-9_-]+, with 1 to {LONGEST} characters"
        )
    })
}

/// Every call is answered by the message after it.
fn calls(message: &Message, index: usize, next: Option<&Message>) -> Result<(), Refusal> {
    let mut ids = BTreeSet::new();
    for block in &message.content {
        let Block::ToolUse(call) = block else { continue };
        let place = format!("messages.{index}.content.toolUse");
        require(message.role == Role::Assistant, || format!("{place}: only assistants call."))?;
        name(&format!("{place}.name"), &call.name)?;
        call_id(&place, &call.id)?;
        require(ids.insert(call.id.as_str()), || format!("{place}: `toolUse` ids must be unique"))?;
    }
    let answered: BTreeSet<_> =
        next.map(|next| returned(next).map(|it| it.id.as_str()).collect()).unwrap_or_default();
    let missing: Vec<_> = ids.difference(&answered).copied().collect();
    require(missing.is_empty(), || {
        format!(
            "Expected toolResult blocks at messages.{}.content for the following Ids: {}",
            index + 1,
            missing.join(", ")
        )
    })
}

/// Results belong to the calls before them, and come before anything else.
fn results(before: Option<&Message>, message: &Message, index: usize) -> Result<(), Refusal> {
    let place = format!("messages.{index}.content");
    let called: BTreeSet<_> = before
        .iter()
        .flat_map(|before| &before.content)
        .filter_map(|block| match block {
            Block::ToolUse(call) => Some(call.id.as_str()),
            _ => None,
        })
        .collect();
    let mut seen = BTreeSet::new();
    for result in returned(message) {
        call_id(&place, &result.id)?;
        require(called.contains(result.id.as_str()) && seen.insert(&result.id), || {
            format!(
                "The number of toolResult blocks at {place} exceeds the number of toolUse blocks \
                 of previous turn."
            )
        })?;
    }
    let result = |block: &Block| matches!(block, Block::ToolResult(_) | Block::CachePoint(_));
    let leading = message.content.iter().take_while(|block| result(block));
    let leading = leading.filter(|block| matches!(block, Block::ToolResult(_))).count();
    require(leading == seen.len(), || {
        format!("{place}: toolResult blocks must come before other blocks.")
    })
}

fn returned(message: &Message) -> impl Iterator<Item = &ToolResult> {
    message.content.iter().filter_map(|block| match block {
        Block::ToolResult(result) => Some(result),
        _ => None,
    })
}

fn call_id(place: &str, id: &str) -> Result<(), Refusal> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    require((1..=LONGEST).contains(&id.len()) && id.chars().all(legal), || {
        format!(
            "Value '{id}' at '{place}.toolUseId' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [a-zA-Z0-9_.:-]+, with 1 to {LONGEST} characters"
        )
    })
}
