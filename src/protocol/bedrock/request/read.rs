//! Reading a client's request.
//!
//! Everything is read member by member from raw JSON: unions are objects with one member, unknown
//! members have to be noticed, and the caller's own JSON has to stay as it is.

mod blocks;
mod extra;
mod field;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{ADDITIONAL, BEYOND};
use crate::protocol::bedrock::wire::Members;
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{
    CacheMark, Format, Reasoning, Request, Role, SystemText, Tool, ToolChoice, Turn,
};
use field::{Field, parse};

pub(in crate::protocol::bedrock) fn read(body: &[u8]) -> Result<Request, Unreadable> {
    let body: &RawValue = serde_json::from_slice(body)
        .map_err(|error| Unreadable::new("body", format!("is not valid JSON: {error}")))?;
    let mut request = Request::default();
    let mut messages = false;
    for field in Field::root(body).members()? {
        match field.name() {
            "messages" => {
                messages = true;
                read_messages(&field, &mut request)?;
            }
            "system" => read_system(&field, &mut request)?,
            "inferenceConfig" => read_inference(&field, &mut request)?,
            "toolConfig" => read_tools(&field, &mut request)?,
            "outputConfig" => read_output(&field, &mut request)?,
            "requestMetadata" => read_metadata(&field, &mut request)?,
            "serviceTier" => read_tier(&field, &mut request)?,
            ADDITIONAL => extra::read(&field, &mut request)?,
            name => {
                let essential = BEYOND.iter().find(|(known, _)| *known == name);
                request.beyond.push(field.beyond(essential.is_some_and(|(_, is)| *is)));
            }
        }
    }
    if !messages {
        return Err(Unreadable::new("messages", "is missing: it should be an array of messages"));
    }
    Ok(request)
}

fn read_messages(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    for message in field.items()? {
        let members = message.by_name()?;
        let role = members.required("role")?;
        let role = match &*role.text()? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(role.wrong("should be `user`, `assistant` or `system`")),
        };
        let mut turn = Turn { role, parts: Vec::new() };
        for block in members.required("content")?.items()? {
            blocks::read(&block, &mut turn, request)?;
        }
        request.turns.push(turn);
    }
    Ok(())
}

fn read_system(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    for item in field.items()? {
        let block = item.only_member()?;
        match block.name() {
            "text" => {
                let text = block.text()?.into_owned();
                if !text.is_empty() {
                    request.system.push(SystemText { text, cache: None });
                }
            }
            "cachePoint" => {
                let mark = blocks::cache_mark(&block)?;
                if let Some(last) = request.system.last_mut() {
                    last.cache = Some(mark);
                }
            }
            _ => request.beyond.push(block.beyond(true)),
        }
    }
    Ok(())
}

fn read_inference(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    for member in field.members()? {
        match member.name() {
            "maxTokens" => request.max_output_tokens = Some(member.count()?),
            "temperature" => request.temperature = Some(member.number()?),
            "topP" => request.top_p = Some(member.number()?),
            "stopSequences" => {
                for item in member.items()? {
                    request.stop.push(item.text()?.into_owned());
                }
            }
            _ => request.beyond.push(member.beyond(false)),
        }
    }
    Ok(())
}

fn read_tools(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let mut hosted = Vec::new();
    for member in field.members()? {
        match member.name() {
            "tools" => {
                for item in member.items()? {
                    read_tool(&item, request, &mut hosted)?;
                }
            }
            "toolChoice" => {
                let choice = member.only_member()?;
                request.tool_choice = Some(match choice.name() {
                    "auto" => ToolChoice::Auto,
                    "any" => ToolChoice::Required,
                    "tool" => {
                        let name = choice.by_name()?.required("name")?.word()?;
                        ToolChoice::Named(name)
                    }
                    _ => return Err(member.wrong("should hold `auto`, `any` or `tool`")),
                });
            }
            _ => request.beyond.push(member.beyond(false)),
        }
    }
    request.offer_hosted(hosted);
    Ok(())
}

fn read_tool(
    item: &Field<'_>,
    request: &mut Request,
    hosted: &mut Vec<Beyond>,
) -> Result<(), Unreadable> {
    let tool = item.only_member()?;
    match tool.name() {
        "toolSpec" => {
            let members = tool.by_name()?;
            let schema = match members.optional("inputSchema") {
                Some(union) => Some(union.by_name()?.required("json")?.schema()?),
                None => None,
            };
            let description = members.optional("description");
            request.tools.push(Tool {
                name: members.required("name")?.word()?,
                description: description.map(|it| it.text()).transpose()?.map(Into::into),
                schema,
                strict: members.optional("strict").map(|it| it.flag()).transpose()?,
                cache: None,
            });
        }
        "cachePoint" => {
            let mark = blocks::cache_mark(&tool)?;
            if let Some(last) = request.tools.last_mut() {
                last.cache = Some(mark);
            }
        }
        // A tool that the provider runs.
        _ => hosted.push(tool.beyond(true)),
    }
    Ok(())
}

fn read_output(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    for member in field.members()? {
        match member.name() {
            "textFormat" => request.format = read_format(&member)?,
            "effort" => {
                let effort = extra::effort(&member)?;
                reasoning(request).effort = Some(effort);
            }
            _ => request.beyond.push(member.beyond(false)),
        }
    }
    Ok(())
}

fn read_format(field: &Field<'_>) -> Result<Option<Format>, Unreadable> {
    let members = field.by_name()?;
    let kind = members.required("type")?;
    match &*kind.text()? {
        "text" => return Ok(None),
        "json_schema" => {}
        _ => return Err(kind.wrong("should be `json_schema` or `text`")),
    }
    let members = members.required("structure")?.by_name()?.required("jsonSchema")?.by_name()?;
    let schema = members.required("schema")?;
    let text = schema.text()?.into_owned();
    let parsed = RawValue::from_string(text).ok().filter(|schema| schema.get().starts_with('{'));
    let parsed =
        parsed.ok_or_else(|| schema.wrong("should be a JSON schema, written as a string"))?;
    let text_of = |name| members.optional(name).map(|it: Field<'_>| it.text().map(Into::into));
    Ok(Some(Format::JsonSchema {
        // The API takes a schema without a name; others want one.
        name: text_of("name").transpose()?.unwrap_or_else(|| "output".to_owned()),
        description: text_of("description").transpose()?,
        schema: parsed,
        strict: None,
    }))
}

fn read_metadata(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let mut labels: BTreeMap<String, String> = parse(field)?;
    request.user = labels.remove("user").filter(|user| !user.is_empty());
    request.metadata = labels;
    Ok(())
}

fn read_tier(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let kind = field.by_name()?.required("type")?;
    match &*kind.text()? {
        tier @ ("priority" | "default" | "flex") => request.service_tier = Some(tier.to_owned()),
        // Capacity that was bought with this provider.
        _ => request.beyond.push(field.beyond(false)),
    }
    Ok(())
}

/// The request's reasoning, to be changed.
fn reasoning(request: &mut Request) -> &mut Reasoning {
    request.reasoning.get_or_insert_default()
}
