//! `tools` and `tool_choice`.
//!
//! Tools that the client runs itself but that are no functions, or functions of a namespace, get a
//! function that stands in for them. Tools that OpenAI runs cannot be had elsewhere.

use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::super::fields::Fields;
use super::items::LOCAL_SHELL;
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{Request, StandIn, StandInKind, SystemText, Tool, ToolChoice};

/// What OpenAI runs itself. Other tools that are no functions are the client's to run, and its
/// provider's models know how to call them.
const HOSTED: [&str; 7] = [
    "code_interpreter",
    "file_search",
    "image_generation",
    "mcp",
    "programmatic_tool_calling",
    "tool_search",
    "web_search",
];

fn is_hosted(kind: &str) -> bool {
    // `web_search_preview`, `web_search_2025_08_26`.
    HOSTED.contains(&kind) || kind.starts_with("web_search_")
}

/// Reads the tools of one request, which may stand in several places of it.
#[derive(Debug, Default)]
pub(super) struct Tools {
    hosted: Vec<Beyond>,
    /// What the client says of its namespaces.
    namespaces: Vec<SystemText>,
}

impl Tools {
    /// Reads the list of tools that stands at `path`.
    pub(super) fn read(
        &mut self,
        raw: &RawValue,
        path: &str,
        to: &mut Request,
    ) -> Result<(), Unreadable> {
        self.read_of(None, raw, path, to)
    }

    /// All tools have been read.
    pub(super) fn settle(self, to: &mut Request) {
        to.offer_hosted(self.hosted);
        to.system.extend(self.namespaces);
    }

    fn read_of(
        &mut self,
        namespace: Option<&str>,
        raw: &RawValue,
        path: &str,
        to: &mut Request,
    ) -> Result<(), Unreadable> {
        let texts: Vec<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| Unreadable::new(path, "must be a list of objects"))?;
        for (tool, text) in Fields::list(raw, path)?.into_iter().zip(texts) {
            self.read_one(namespace, tool, text, to)?;
        }
        Ok(())
    }

    fn read_one(
        &mut self,
        namespace: Option<&str>,
        mut tool: Fields<'_>,
        raw: &RawValue,
        to: &mut Request,
    ) -> Result<(), Unreadable> {
        let kind = tool.needed("type")?;
        match &*kind {
            "function" => read_function(namespace, tool, to),
            "custom" => read_custom(namespace, tool, to),
            "local_shell" => add(local_shell(), tool.path(), to),
            "namespace" if namespace.is_none() => self.read_namespace(tool, to),
            // `tools[1].web_search`: the position alone would not tell the reader what is meant.
            kind => {
                let field = tool.at(kind);
                let beyond = Beyond { field, essential: true, value: Some(raw.to_owned()) };
                let list = if is_hosted(kind) { &mut self.hosted } else { &mut to.beyond };
                list.push(beyond);
                Ok(())
            }
        }
    }

    /// Tools that are called by two names. The model is told both in one, and what is said of the
    /// namespace among its instructions, once.
    fn read_namespace(&mut self, mut tool: Fields<'_>, to: &mut Request) -> Result<(), Unreadable> {
        let name = tool.needed("name")?;
        if let Some(said) = tool.string("description")?.filter(|said| !said.trim().is_empty()) {
            let text = format!("Tools named `{}`: {said}", function_name(Some(&name), "…"));
            self.namespaces.push(SystemText { text, cache: None });
        }
        let path = tool.at("tools");
        match tool.raw("tools")? {
            Some(raw) => self.read_of(Some(&name), raw, &path, to),
            None => Ok(()),
        }
    }
}

/// The name of the function that stands in for a tool of a namespace. It depends on nothing else, so
/// that calls in a conversation are called as the tools are.
pub(super) fn function_name(namespace: Option<&str>, tool: &str) -> String {
    match namespace.map(|namespace| namespace.trim_end_matches("__")) {
        None | Some("") => tool.to_owned(),
        Some(namespace) => format!("{namespace}__{tool}"),
    }
}

/// Adds a function, and what it stands in for. A tool that is declared again is what was declared
/// last.
fn add(
    (function, stands_for): (Tool, Option<StandIn>),
    path: &str,
    to: &mut Request,
) -> Result<(), Unreadable> {
    let Some(at) = to.tools.iter().position(|other| other.name == function.name) else {
        to.stand_ins.extend(stands_for);
        to.tools.push(function);
        return Ok(());
    };
    if to.stand_ins.iter().find(|other| other.name == function.name) != stands_for.as_ref() {
        let message = format!("is `{}` for models, and so is another tool", function.name);
        return Err(Unreadable::new(path, message));
    }
    to.tools[at] = function;
    Ok(())
}

fn read_function(
    namespace: Option<&str>,
    mut tool: Fields<'_>,
    to: &mut Request,
) -> Result<(), Unreadable> {
    let called = tool.named("name")?;
    let name = function_name(namespace, &called);
    let stand_in = namespace.map(|namespace| StandIn {
        name: name.clone(),
        kind: StandInKind::Function,
        tool: called,
        namespace: Some(namespace.to_owned()),
    });
    let function = Tool {
        name,
        description: tool.string("description")?,
        schema: schema(&mut tool)?,
        strict: tool.boolean("strict")?,
        cache: None,
    };
    add((function, stand_in), tool.path(), to)
}

fn local_shell() -> (Tool, Option<StandIn>) {
    let function = Tool {
        name: LOCAL_SHELL.to_owned(),
        description: Some("Runs a command on the user's machine.".to_owned()),
        schema: Some(object_schema(
            &json!({
                "command": {"type": "array", "items": {"type": "string"},
                    "description": "The program and its arguments."},
                "working_directory": {"type": "string"},
                "timeout_ms": {"type": "integer"},
            }),
            "command",
        )),
        strict: Some(false),
        cache: None,
    };
    let stand_in = StandIn {
        name: LOCAL_SHELL.to_owned(),
        kind: StandInKind::LocalShell,
        tool: LOCAL_SHELL.to_owned(),
        namespace: None,
    };
    (function, Some(stand_in))
}

fn schema(tool: &mut Fields<'_>) -> Result<Option<Box<RawValue>>, Unreadable> {
    let at = tool.at("parameters");
    match tool.raw("parameters")? {
        Some(raw) if raw.get().starts_with('{') => Ok(Some(raw.to_owned())),
        Some(_) => Err(Unreadable::new(at, "must be a JSON schema, which is an object")),
        None => Ok(None),
    }
}

fn read_custom(
    namespace: Option<&str>,
    mut tool: Fields<'_>,
    to: &mut Request,
) -> Result<(), Unreadable> {
    let called = tool.named("name")?;
    let mut description = tool.string("description")?.unwrap_or_default();
    let at = tool.at("format");
    if let Some(mut format) = tool.object("format")?
        && let Some(definition) = format.string("definition")?
    {
        let syntax = format.string("syntax")?.unwrap_or_default();
        if !description.is_empty() {
            description.push_str("\n\n");
        }
        description.push_str("`input` must follow this grammar (");
        description.push_str(&syntax);
        description.push_str(") exactly:\n");
        description.push_str(&definition);
        // A model that is told a grammar mostly keeps to it; OpenAI's cannot but keep to it.
        to.beyond.push(Beyond { field: at, essential: false, value: None });
    }
    let name = function_name(namespace, &called);
    let function = Tool {
        name: name.clone(),
        description: (!description.is_empty()).then_some(description),
        schema: Some(object_schema(
            &json!({"input": {"type": "string", "description": "The whole input, as plain text."}}),
            "input",
        )),
        strict: Some(false),
        cache: None,
    };
    let stand_in = StandIn {
        name,
        kind: StandInKind::Custom,
        tool: called,
        namespace: namespace.map(str::to_owned),
    };
    add((function, Some(stand_in)), tool.path(), to)
}

fn object_schema(properties: &serde_json::Value, required: &str) -> Box<RawValue> {
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": [required],
        "additionalProperties": false,
    });
    to_raw_value(&schema).expect("a JSON value can be written as JSON")
}

/// Reads `tool_choice`.
pub(super) fn read_choice(
    raw: &RawValue,
    request: &mut Request,
) -> Result<Option<ToolChoice>, Unreadable> {
    const WORDS: &str = "must be `none`, `auto`, `required` or an object";
    let path = "tool_choice";
    if raw.get().starts_with('"') {
        return match serde_json::from_str::<&str>(raw.get()) {
            Ok("none") => Ok(Some(ToolChoice::None)),
            Ok("auto") => Ok(Some(ToolChoice::Auto)),
            Ok("required") => Ok(Some(ToolChoice::Required)),
            _ => Err(Unreadable::new(path, WORDS)),
        };
    }
    if !raw.get().starts_with('{') {
        return Err(Unreadable::new(path, WORDS));
    }
    let mut choice = Fields::parse(raw.get(), path.to_owned())?;
    match &*choice.needed("type")? {
        "function" | "custom" => {
            Ok(Some(ToolChoice::Named(chosen(&choice.named("name")?, request))))
        }
        LOCAL_SHELL => Ok(Some(ToolChoice::Named(LOCAL_SHELL.to_owned()))),
        "allowed_tools" => read_allowed(choice, request).map(Some),
        _ => {
            let field = choice.at("type");
            request.beyond.push(Beyond { field, essential: true, value: None });
            Ok(None)
        }
    }
}

/// The function that a choice names, which says nothing of namespaces.
fn chosen(name: &str, request: &Request) -> String {
    let named = request.tools.iter().find(|tool| tool.name == name).map(|tool| &tool.name);
    let stands_in = || request.stand_ins.iter().find(|one| one.tool == name).map(|one| &one.name);
    named.or_else(stands_in).cloned().unwrap_or_else(|| name.to_owned())
}

fn read_allowed(mut choice: Fields<'_>, request: &mut Request) -> Result<ToolChoice, Unreadable> {
    let required = match choice.string("mode")?.as_deref() {
        None | Some("auto") => false,
        Some("required") => true,
        Some(_) => {
            return Err(Unreadable::new(choice.at("mode"), "must be `auto` or `required`"));
        }
    };
    let mut names = Vec::new();
    for mut tool in choice.objects("tools")? {
        match &*tool.needed("type")? {
            "function" | "custom" => names.push(chosen(&tool.named("name")?, request)),
            LOCAL_SHELL => names.push(LOCAL_SHELL.to_owned()),
            _ => {
                let field = tool.at("type");
                request.beyond.push(Beyond { field, essential: true, value: None });
            }
        }
    }
    Ok(ToolChoice::Allowed { names, required })
}
