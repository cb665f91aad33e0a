//! What a conversation must be, beyond its shape.

use serde_json::Value;

use super::{Call, shape};
use crate::simulate::answer::Refusal;

/// Members of a part that are its data, one of which it must have.
const DATA: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
];

const NO_CALL_BEFORE: &str = "Please ensure that function response turn comes immediately after a \
    function call turn.";
const NO_USER_BEFORE: &str = "Please ensure that function call turn comes immediately after a user \
    turn or after a function response turn.";
const WRONG_COUNT: &str = "Please ensure that the number of function response parts is equal to \
    the number of function call parts of the function call turn.";

pub(super) fn check(request: &Value, call: Call<'_>) -> Result<(), Refusal> {
    let contents = list(request, "contents");
    if contents.is_empty() {
        return Err(refused("contents", "contents is not specified"));
    }
    for (at, content) in contents.iter().enumerate() {
        check_content(content, &format!("contents[{at}]"), call)?;
    }
    if let Some(instruction) = request.get("systemInstruction") {
        let parts = list(instruction, "parts");
        if parts.is_empty() || parts.iter().any(|part| part.get("text").is_none()) {
            return Err(refused("system_instruction", "must have parts of text"));
        }
    }
    check_calls(contents)?;
    if call.is("gemini-3") { check_signatures(contents) } else { Ok(()) }
}

/// The elements of a list that may be missing.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The parts of a content that hold this.
pub(super) fn parts<'v>(content: &'v Value, name: &str) -> Vec<&'v Value> {
    list(content, "parts").iter().filter_map(|part| part.get(name)).collect()
}

pub(super) fn refused(path: &str, what: &str) -> Refusal {
    Refusal::invalid(format!("* GenerateContentRequest.{path}: {what}\n"))
}

fn check_content(content: &Value, path: &str, call: Call<'_>) -> Result<(), Refusal> {
    let role = content.get("role").and_then(Value::as_str);
    if !matches!(role, None | Some("user" | "model" | "function")) {
        return Err(Refusal::invalid("Please use a valid role: user, model."));
    }
    let model = role == Some("model");
    if list(content, "parts").is_empty() {
        return Err(refused(&format!("{path}.parts"), "contents.parts must not be empty."));
    }
    for (at, part) in list(content, "parts").iter().enumerate() {
        let path = format!("{path}.parts[{at}]");
        let signed = part.get("thoughtSignature").is_some();
        let data = DATA.iter().filter(|name| part.get(**name).is_some()).count();
        let empty = part.get("text").is_some_and(|text| text == "") && !signed;
        if data > 1 || (data == 0 && !signed) || empty {
            let what = "required oneof field 'data' must have one initialized field";
            return Err(refused(&format!("{path}.data"), what));
        }
        let misplaced = if model { "functionResponse" } else { "functionCall" };
        if part.get(misplaced).is_some() {
            return Err(Refusal::invalid(if model { NO_CALL_BEFORE } else { NO_USER_BEFORE }));
        }
        for (name, snake) in
            [("functionCall", "function_call"), ("functionResponse", "function_response")]
        {
            let Some(one) = part.get(name) else { continue };
            let path = format!("{path}.{snake}");
            if one.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(refused(&format!("{path}.name"), "Name cannot be empty."));
            }
            if call.lacks_ids() && one.get("id").is_some() {
                return Err(shape::unknown("id", &path));
            }
            if call.is_old() && one.get("parts").is_some() {
                return Err(shape::unknown("parts", &path));
            }
        }
        check_media(part, &path)?;
    }
    Ok(())
}

fn check_media(part: &Value, path: &str) -> Result<(), Refusal> {
    let missing = |media: &Value, name: &str| media.get(name).is_none_or(|text| text == "");
    let unsupported = || Refusal::invalid("Unsupported MIME type: ");
    if let Some(blob) = part.get("inlineData") {
        if missing(blob, "mimeType") {
            return Err(unsupported());
        }
        if missing(blob, "data") {
            return Err(refused(&format!("{path}.inline_data.data"), "data must not be empty"));
        }
    }
    if let Some(file) = part.get("fileData") {
        let uri = file.get("fileUri").and_then(Value::as_str).unwrap_or_default();
        if uri.is_empty() {
            return Err(refused(&format!("{path}.file_data.file_uri"), "must not be empty"));
        }
        if missing(file, "mimeType") && !uri.contains("/files/") {
            return Err(unsupported());
        }
    }
    Ok(())
}

/// Calls stand after something of the user's; the next content answers all of them, in order.
fn check_calls(contents: &[Value]) -> Result<(), Refusal> {
    let no_calls = Vec::new();
    let mut before = None;
    for content in contents {
        let calls = parts(content, "functionCall");
        let results = parts(content, "functionResponse");
        let open = before.map_or_else(|| no_calls.clone(), |before| parts(before, "functionCall"));
        if !results.is_empty() && open.is_empty() {
            return Err(Refusal::invalid(NO_CALL_BEFORE));
        }
        if results.len() != open.len() {
            return Err(Refusal::invalid(WRONG_COUNT));
        }
        for (call, result) in open.iter().zip(&results) {
            let given = call.get("id").or(result.get("id")).is_some();
            if call.get("name") != result.get("name")
                || (given && call.get("id") != result.get("id"))
            {
                return Err(Refusal::invalid(WRONG_COUNT));
            }
        }
        let texts_first = list(content, "parts")
            .iter()
            .skip_while(|part| part.get("functionResponse").is_some())
            .any(|part| part.get("functionResponse").is_some());
        if texts_first {
            return Err(Refusal::invalid(WRONG_COUNT));
        }
        let after_model = before.is_none_or(is_model);
        if !calls.is_empty() && after_model {
            return Err(Refusal::invalid(NO_USER_BEFORE));
        }
        before = Some(content);
    }
    let unanswered = before.is_some_and(|last| !parts(last, "functionCall").is_empty());
    if unanswered { Err(Refusal::invalid(WRONG_COUNT)) } else { Ok(()) }
}

fn is_model(content: &Value) -> bool {
    content.get("role").is_some_and(|role| role == "model")
}

/// In the turn that is going on, the first call of each step is signed.
fn check_signatures(contents: &[Value]) -> Result<(), Refusal> {
    let asks =
        |content: &Value| !is_model(content) && parts(content, "functionResponse").is_empty();
    let turn = contents.iter().rposition(asks).unwrap_or(0);
    for (at, content) in contents.iter().enumerate().skip(turn) {
        let first = list(content, "parts").iter().find(|part| part.get("functionCall").is_some());
        let Some(first) = first else { continue };
        if first.get("thoughtSignature").is_none() {
            let name = first["functionCall"]["name"].as_str().unwrap_or_default();
            return Err(Refusal::invalid(format!(
                "Function call is missing a thought_signature in functionCall parts. This is \
                 required for tools to work correctly. Additional data, function call `{name}`, \
                 position {}.",
                at + 1
            )));
        }
    }
    Ok(())
}
