mod format;
mod properties;
mod reading;
mod reasoning;
mod replies;
mod streams_read;
mod streams_written;
mod writing;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::MessagesDialect;
use crate::protocol::dialect::{ClientView, Dialect, Quirks, TargetView, Unreadable, Written};
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{
    CannotCross, Compatibility, Crossing, Media, Part, Request, ResultPart, Role, Source, Tool,
    Turn,
};

const CLIENT: ClientView<'static> = ClientView {
    model: "claude",
    request_id: "r1",
    created: 1,
    include_usage: false,
    stand_ins: &[],
};

/// What became of a request: the body, its losses, and the rest.
struct Sent {
    body: Value,
    text: String,
    warnings: Vec<String>,
    written: Written,
}

fn send_as(
    request: &Request,
    facts: &ModelFacts,
    quirks: &Quirks,
    compatibility: Compatibility,
) -> Result<Sent, CannotCross> {
    let mut crossing = Crossing::new(compatibility);
    let target = TargetView { model: "claude-x", facts, quirks };
    let written = MessagesDialect.write_request(request, &target, &mut crossing)?;
    let text = String::from_utf8(written.body.to_vec()).expect("UTF-8");
    let body = serde_json::from_str(&text).expect("JSON");
    let warnings = crossing.into_warnings().iter().map(ToString::to_string).collect();
    Ok(Sent { body, text, warnings, written })
}

fn send_to(request: &Request, facts: &ModelFacts) -> Sent {
    send_as(request, facts, &Quirks::COMPATIBLE, Compatibility::Standard).expect("can be said")
}

fn send(request: &Request) -> Sent {
    send_to(request, &ModelFacts::default())
}

fn read(body: &Value) -> Result<Request, Unreadable> {
    MessagesDialect.read_request(body.to_string().as_bytes())
}

/// A conversation of one question.
fn question() -> Request {
    Request { turns: vec![user("hi")], ..Request::default() }
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn user(words: &str) -> Turn {
    turn(Role::User, vec![text(words)])
}

fn text(text: &str) -> Part {
    Part::Text { text: text.into(), cache: None }
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        state: None,
        cache: None,
    }
}

fn result(id: &str, text: &str) -> Part {
    let content = vec![ResultPart::Text(text.into())];
    Part::ToolResult { id: id.into(), content, is_error: false, cache: None }
}

fn tool(name: &str, schema: &str) -> Tool {
    Tool {
        name: name.into(),
        description: None,
        schema: Some(raw(schema)),
        strict: None,
        cache: None,
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).expect("JSON")
}

fn media(source: Source, media_type: Option<&str>) -> Media {
    Media {
        source,
        media_type: media_type.map(Into::into),
        name: None,
        detail: None,
        cache: None,
        field: "messages[0].content[0]".into(),
    }
}

fn ephemeral() -> Value {
    json!({"type": "ephemeral"})
}
