use serde_json::{Value, json};

use crate::protocol::dialect::{Dialect, Quirks, TargetView, Unreadable, Written};
use crate::protocol::gemini::GeminiDialect;
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{
    CannotCross, Compatibility, Crossing, Media, OpaqueState, Origin, Part, Request, ResultPart,
    Role, Source, SystemText, Turn,
};

mod conversation;
mod parameters;
mod reading;
mod round_trip;

/// Gemini 3.
fn gemini_3() -> ModelFacts {
    ModelFacts { wants_call_signatures: true, media_in_results: true, ..ModelFacts::default() }
}

/// Gemini 2.5 on Vertex AI.
fn vertex_2_5() -> ModelFacts {
    ModelFacts { refuses_call_ids: true, ..ModelFacts::default() }
}

/// The written body and the warnings.
fn write_with(
    request: &Request,
    facts: &ModelFacts,
    quirks: &Quirks,
) -> Result<(Value, Vec<String>), CannotCross> {
    let target = TargetView { model: "gemini-x", facts, quirks };
    let mut crossing = Crossing::new(Compatibility::Standard);
    let Written { body, .. } = GeminiDialect.write_request(request, &target, &mut crossing)?;
    let warnings = crossing.into_warnings().iter().map(ToString::to_string).collect();
    Ok((serde_json::from_slice(&body).expect("JSON"), warnings))
}

fn write(request: &Request, facts: &ModelFacts) -> Value {
    write_with(request, facts, &Quirks::COMPATIBLE).expect("crosses").0
}

fn read(body: &Value) -> Result<Request, Unreadable> {
    GeminiDialect.read_request(body.to_string().as_bytes())
}

fn text(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    signed_call(id, name, arguments, None)
}

fn signed_call(id: &str, name: &str, arguments: &str, state: Option<OpaqueState>) -> Part {
    Part::ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        state,
        cache: None,
    }
}

fn result(id: &str, text: &str) -> Part {
    let content = vec![ResultPart::Text(text.to_owned())];
    Part::ToolResult { id: id.to_owned(), content, is_error: false, cache: None }
}

fn state(origin: Origin, data: &str) -> OpaqueState {
    OpaqueState { origin, data: data.to_owned(), redacted: false }
}

fn user(parts: Vec<Part>) -> Turn {
    Turn { role: Role::User, parts }
}

fn model(parts: Vec<Part>) -> Turn {
    Turn { role: Role::Assistant, parts }
}

fn said(turns: Vec<Turn>) -> Request {
    Request { turns, ..Request::default() }
}

fn system(text: &str) -> SystemText {
    SystemText { text: text.to_owned(), cache: None }
}

fn image(source: Source, media_type: Option<&str>) -> Part {
    Part::Image(Media {
        source,
        media_type: media_type.map(str::to_owned),
        name: None,
        detail: None,
        cache: None,
        field: "messages[0].content[0].image_url".to_owned(),
    })
}
