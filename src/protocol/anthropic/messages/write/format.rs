//! What the text of the answer must look like: by the API's own means, or by a tool in its place.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::schema;
use crate::protocol::dialect::FormatTool;
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{CannotCross, Crossing, Format, Request, ToolChoice};

/// The tool that stands for a format.
const TOOL: &str = "json_tool_call";
/// The member in which a text goes whose schema is not that of an object.
const WRAPPER: &str = "values";

/// `output_config.format`.
#[derive(Debug, Serialize)]
pub(super) struct Native<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Cow<'a, RawValue>,
}

/// A tool in place of a format.
#[derive(Debug)]
pub(super) struct FormatPlan {
    pub(super) undo: FormatTool,
    pub(super) schema: Box<RawValue>,
    pub(super) description: String,
    /// It has to be called.
    pub(super) forced: bool,
}

/// What a request says of its format: one of the three, or nothing.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) native: Option<Native<'a>>,
    pub(super) tool: Option<FormatPlan>,
    pub(super) instruction: Option<String>,
}

pub(super) fn plan<'a>(
    request: &'a Request,
    can_force: bool,
    facts: &ModelFacts,
    crossing: &mut Crossing,
) -> Result<Plan<'a>, CannotCross> {
    let (wanted, about) = match &request.format {
        None => return Ok(Plan::default()),
        Some(Format::JsonObject) => {
            crossing.adjusted("response_format")?;
            let instruction = "Answer with one JSON object and nothing else: no words around it, \
                               no code fence.";
            return Ok(Plan { instruction: Some(instruction.to_owned()), ..Plan::default() });
        }
        Some(Format::JsonSchema { schema, description, .. }) => (&**schema, description.as_deref()),
    };
    if !facts.lacks_json_schema
        && let Some(schema) = schema::reduced(wanted)
    {
        let native = Some(Native { kind: "json_schema", schema });
        return Ok(Plan { native, ..Plan::default() });
    }
    let own_tools = !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None);
    if own_tools {
        // The model has to choose between them and the answer, so nothing holds it to the format.
        crossing.adjusted("response_format")?;
    } else if !can_force {
        crossing.adjusted("response_format")?;
        let instruction = format!(
            "Answer with JSON that follows this schema and nothing else, no words around it, no \
             code fence: {}",
            wanted.get()
        );
        return Ok(Plan { instruction: Some(instruction), ..Plan::default() });
    }
    let (schema, wrapped_in) = wrapped(wanted);
    let tool = FormatPlan {
        undo: FormatTool { name: free_name(request), wrapped_in },
        schema,
        description: description(about),
        forced: !own_tools,
    };
    Ok(Plan { tool: Some(tool), ..Plan::default() })
}

fn description(about: Option<&str>) -> String {
    let call = "Call this with the final answer, once, instead of writing it as text.";
    about.map_or_else(|| call.to_owned(), |about| format!("{call} {about}"))
}

/// A name that no function of the client's has.
fn free_name(request: &Request) -> String {
    let mut name = TOOL.to_owned();
    while request.tools.iter().any(|tool| tool.name == name) {
        name.push('_');
    }
    name
}

/// The arguments of a tool are an object.
fn wrapped(schema: &RawValue) -> (Box<RawValue>, Option<String>) {
    #[derive(Serialize)]
    struct Wrapped<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        properties: Properties<'a>,
        required: [&'static str; 1],
    }
    #[derive(Serialize)]
    struct Properties<'a> {
        values: &'a RawValue,
    }
    if schema::is_of_object(schema) {
        return (schema.to_owned(), None);
    }
    let wrapped =
        Wrapped { kind: "object", properties: Properties { values: schema }, required: [WRAPPER] };
    let raw = to_raw_value(&wrapped).expect("JSON around JSON is JSON");
    (raw, Some(WRAPPER.to_owned()))
}
