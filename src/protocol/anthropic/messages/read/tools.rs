//! The tools of a request, and which of them are to be called.

use serde_json::value::RawValue;

use super::content::read_mark;
use super::essential;
use crate::protocol::anthropic::messages::fields::Fields;
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{Request, Tool, ToolChoice};

/// How the types of those tools begin that Anthropic runs itself. The others of its own (`bash_…`,
/// `text_editor_…`) are the client's to run, and only its models know how to call them.
const HOSTED: [&str; 5] =
    ["code_execution_", "mcp_toolset", "tool_search_", "web_fetch_", "web_search_"];

pub(super) fn read(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let raws: Option<Vec<&RawValue>> = match fields.take("tools") {
        Some(raw) => Some(
            serde_json::from_str(raw.get())
                .map_err(|_| fields.wrong("tools", "must be an array of objects"))?,
        ),
        None => None,
    };
    let mut hosted = Vec::new();
    for (at, raw) in raws.into_iter().flatten().enumerate() {
        let tool = Fields::of(raw, format!("tools[{at}]"))?;
        read_tool(tool, raw, request, &mut hosted)?;
    }
    if let Some(choice) = fields.object("tool_choice")? {
        read_choice(choice, request)?;
    }
    request.offer_hosted(hosted);
    Ok(())
}

fn read_tool(
    mut tool: Fields<'_>,
    raw: &RawValue,
    request: &mut Request,
    hosted: &mut Vec<Beyond>,
) -> Result<(), Unreadable> {
    // A type with a date (`web_search_20250305`) is a tool of Anthropic's own.
    if let Some(kind) = tool.text("type")?.filter(|kind| kind != "custom") {
        let is_hosted = HOSTED.iter().any(|begin| kind.starts_with(begin));
        let list = if is_hosted { hosted } else { &mut request.beyond };
        list.push(essential(tool.path().to_owned(), Some(raw)));
        return Ok(());
    }
    let schema = tool.take("input_schema");
    if schema.is_some_and(|schema| !schema.get().starts_with('{')) {
        return Err(tool.wrong("input_schema", "must be a JSON schema, which is an object"));
    }
    // How and when definitions reach the model (`defer_loading`, `input_examples` and the like) is
    // of no concern to the answer's form, so what remains is left out without a word.
    request.tools.push(Tool {
        name: tool.needed_name("name")?,
        description: tool.text("description")?,
        schema: schema.map(ToOwned::to_owned),
        strict: tool.boolean("strict")?,
        cache: read_mark(&mut tool)?,
    });
    Ok(())
}

fn read_choice(mut choice: Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    request.tool_choice = Some(match &*choice.needed_text("type")? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.needed_name("name")?),
        _ => return Err(choice.wrong("type", "must be `auto`, `any`, `tool` or `none`")),
    });
    request.parallel_tools = choice.boolean("disable_parallel_tool_use")?.map(|disabled| !disabled);
    Ok(())
}
