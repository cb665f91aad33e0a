//! What tools and settings must be, beyond their shape.

use serde_json::Value;

use super::{
    Call,
    rules::{list, refused},
    shape,
};
use crate::simulate::answer::Refusal;

/// Longest name of a function.
const LONGEST_NAME: usize = 128;

pub(super) fn check(request: &Value, call: Call<'_>) -> Result<(), Refusal> {
    // Each platform has members that the other does not know.
    let foreign: &[&str] =
        if call.path.vertex { &["store"] } else { &["labels", "modelArmorConfig"] };
    if let Some(name) = foreign.iter().find(|name| request.get(**name).is_some()) {
        return Err(shape::unknown(name, ""));
    }
    let names = check_tools(request, call)?;
    check_choice(request, &names)?;
    let cached = request.get("cachedContent").is_some();
    if cached
        && ["tools", "systemInstruction", "toolConfig"].iter().any(|one| request.get(one).is_some())
    {
        return Err(Refusal::invalid(
            "CachedContent can not be used with GenerateContent request setting \
             system_instruction, tools or tool_config.",
        ));
    }
    match request.get("generationConfig") {
        Some(config) => check_config(config, !names.is_empty(), call),
        None => Ok(()),
    }
}

/// The names of all functions.
fn check_tools<'r>(request: &'r Value, call: Call<'_>) -> Result<Vec<&'r str>, Refusal> {
    let mut names: Vec<&str> = Vec::new();
    for (at, tool) in list(request, "tools").iter().enumerate() {
        for (number, function) in list(tool, "functionDeclarations").iter().enumerate() {
            let path = format!("tools[{at}].function_declarations[{number}]");
            let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
            if !is_name(name) {
                return Err(refused(
                    &format!("{path}.name"),
                    "Invalid function name. Must start with a letter or an underscore. Must be \
                     alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or \
                     dashes (-), with a maximum length of 128.",
                ));
            }
            if names.contains(&name) {
                let message = format!("Duplicate function declaration found: {name}");
                return Err(Refusal::invalid(message));
            }
            names.push(name);
            let plain = function.get("parametersJsonSchema");
            if plain.is_some() && function.get("parameters").is_some() {
                let what = "only one of parameters and parameters_json_schema can be set";
                return Err(refused(&path, what));
            }
            if plain.is_some() && (call.is("gemini-1") || call.is("gemini-2.0")) {
                return Err(shape::unknown("parametersJsonSchema", &path));
            }
            if let Some(parameters) = function.get("parameters") {
                check_schema(parameters, &format!("{path}.parameters"))?;
            }
        }
    }
    Ok(names)
}

fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_.:-".contains(letter);
    begins && name.len() <= LONGEST_NAME && name.chars().all(allowed)
}

fn check_schema(schema: &Value, path: &str) -> Result<(), Refusal> {
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    let kind = kind.to_ascii_uppercase();
    let known = ["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];
    if !known.contains(&&*kind) && schema.get("anyOf").is_none() {
        return Err(refused(&format!("{path}.type"), "must be specified"));
    }
    if kind == "ARRAY" && schema.get("items").is_none() {
        return Err(refused(&format!("{path}.items"), "missing field."));
    }
    if schema.get("enum").is_some() && kind != "STRING" {
        return Err(refused(&format!("{path}.enum"), "only allowed for STRING type"));
    }
    let format = schema.get("format").and_then(Value::as_str);
    if kind == "STRING" && format.is_some_and(|format| !matches!(format, "enum" | "date-time")) {
        let what = "only 'enum' and 'date-time' are supported for STRING type";
        return Err(refused(&format!("{path}.format"), what));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        check_schema(property, &format!("{path}.properties[{name}]"))?;
    }
    for (at, required) in list(schema, "required").iter().enumerate() {
        let name = required.as_str().unwrap_or_default();
        if !properties.is_some_and(|properties| properties.contains_key(name)) {
            let what = format!("property is not defined: {name}");
            return Err(refused(&format!("{path}.required[{at}]"), &what));
        }
    }
    if let Some(items) = schema.get("items") {
        check_schema(items, &format!("{path}.items"))?;
    }
    for (at, one) in list(schema, "anyOf").iter().enumerate() {
        check_schema(one, &format!("{path}.any_of[{at}]"))?;
    }
    Ok(())
}

fn check_choice(request: &Value, names: &[&str]) -> Result<(), Refusal> {
    let Some(calling) = request.pointer("/toolConfig/functionCallingConfig") else {
        return Ok(());
    };
    let mode = calling.get("mode").and_then(Value::as_str).unwrap_or("AUTO").to_ascii_uppercase();
    if !["AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED"].contains(&&*mode) {
        return Err(Refusal::invalid(format!(
            "Invalid value at 'tool_config.function_calling_config.mode': \"{mode}\""
        )));
    }
    if mode == "ANY" && names.is_empty() {
        return Err(Refusal::invalid(
            "Function calling config is set without function_declarations.",
        ));
    }
    let allowed = list(calling, "allowedFunctionNames");
    if !allowed.is_empty() && !matches!(&*mode, "ANY" | "VALIDATED") {
        return Err(Refusal::invalid(
            "allowed_function_names should only be set when the function calling mode is ANY or \
             VALIDATED.",
        ));
    }
    let missing = |name: &&Value| !name.as_str().is_some_and(|name| names.contains(&name));
    match allowed.iter().find(missing) {
        Some(name) => Err(Refusal::invalid(format!(
            "allowed_function_names contains a function that is not declared: {name}"
        ))),
        None => Ok(()),
    }
}

fn check_config(config: &Value, tools: bool, call: Call<'_>) -> Result<(), Refusal> {
    let number = |name: &str| config.get(name).and_then(Value::as_f64);
    let ranges = [
        ("temperature", "temperature", 0.0, 2.0),
        ("topP", "top_p", 0.0, 1.0),
        ("candidateCount", "candidate_count", 1.0, 8.0),
        ("maxOutputTokens", "max_output_tokens", 1.0, f64::from(i32::MAX)),
        ("logprobs", "logprobs", 0.0, 20.0),
        ("seed", "seed", f64::from(i32::MIN), f64::from(i32::MAX)),
        ("presencePenalty", "presence_penalty", -2.0, 2.0),
        ("frequencyPenalty", "frequency_penalty", -2.0, 2.0),
    ];
    for (name, snake, least, most) in ranges {
        if number(name).is_some_and(|value| value < least || value > most) {
            let what = format!("must be in the range [{least}, {most}].");
            return Err(refused(&format!("generation_config.{snake}"), &what));
        }
    }
    if list(config, "stopSequences").len() > 5 {
        return Err(refused("generation_config.stop_sequences", "at most 5 are supported."));
    }
    if number("logprobs").is_some() && config.get("responseLogprobs") != Some(&true.into()) {
        return Err(refused("generation_config.logprobs", "needs response_logprobs."));
    }
    check_format(config, tools, call)?;
    check_thinking(config.get("thinkingConfig").unwrap_or(&Value::Null), call)
}

fn check_format(config: &Value, tools: bool, call: Call<'_>) -> Result<(), Refusal> {
    let kind = config.get("responseMimeType").and_then(Value::as_str).unwrap_or("text/plain");
    if !["text/plain", "application/json", "text/x.enum"].contains(&kind) {
        return Err(refused(
            "generation_config.response_mime_type",
            "allowed mimetypes are \
            `text/plain`, `application/json`, `application/xml`, `application/yaml` and \
            `text/x.enum`.",
        ));
    }
    let (subset, plain) = (config.get("responseSchema"), config.get("responseJsonSchema"));
    if subset.is_some() && plain.is_some() {
        return Err(refused(
            "generation_config",
            "only one of response_schema and response_json_schema can be set",
        ));
    }
    if kind == "text/plain" && (subset.is_some() || plain.is_some()) {
        return Err(refused(
            "generation_config.response_schema",
            "response mime type must be `application/json` or `text/x.enum`.",
        ));
    }
    if let Some(schema) = subset {
        check_schema(schema, "generation_config.response_schema")?;
    }
    if kind == "application/json" && tools && call.is_old() {
        return Err(Refusal::invalid(
            "Function calling with a response mime type: 'application/json' is unsupported",
        ));
    }
    Ok(())
}

fn check_thinking(thinking: &Value, call: Call<'_>) -> Result<(), Refusal> {
    let budget = thinking.get("thinkingBudget").and_then(Value::as_i64);
    let level = thinking.get("thinkingLevel").and_then(Value::as_str);
    if budget.is_some() && level.is_some() {
        return Err(Refusal::invalid(
            "You can only set only one of thinking budget and thinking level.",
        ));
    }
    if let Some(level) = level {
        let words = ["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH", "THINKING_LEVEL_UNSPECIFIED"];
        if !words.contains(&&*level.to_ascii_uppercase()) {
            return Err(Refusal::invalid(format!(
                "Invalid value at 'generation_config.thinking_config.thinking_level': \"{level}\""
            )));
        }
        if call.is_old() {
            return Err(Refusal::invalid("Thinking level is not supported for this model."));
        }
    }
    let outside = match budget {
        Some(0) => call.is("gemini-2.5-pro"),
        Some(budget) => !(-1..=32_768).contains(&budget),
        None => false,
    };
    if outside {
        return Err(Refusal::invalid(
            "The thinking budget is invalid. Please choose a value between 128 and 32768.",
        ));
    }
    Ok(())
}
