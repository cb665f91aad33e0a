//! A client's request.

mod content;
mod conversation;
mod media;
mod settings;
mod tools;

use serde_json::value::RawValue;

use super::fields::Fields;
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::Request;
use crate::protocol::neutral::request::Beyond;

/// Reads a client's request.
pub(super) fn read_request(body: &[u8]) -> Result<Request, Unreadable> {
    let mut fields = Fields::of_body(body)?;
    let mut request = Request::default();
    // Routing has read it.
    fields.take("model");
    request.stream = fields.boolean("stream")?.unwrap_or(false);
    settings::read(&mut fields, &mut request)?;
    request.system = conversation::read_system(&mut fields, &mut request.beyond)?;
    request.turns = conversation::read_turns(&mut fields, &mut request.beyond)?;
    conversation::mark_the_end(&mut fields, &mut request.turns)?;
    tools::read(&mut fields, &mut request)?;
    for (name, raw) in fields.rest() {
        // The default is nothing that could be lost.
        if name != "speed" || raw.get() != "\"standard\"" {
            request.beyond.push(lost(name.into_owned(), raw));
        }
    }
    Ok(request)
}

/// Something that can be left out with a warning.
fn lost(field: String, raw: &RawValue) -> Beyond {
    Beyond { field, essential: false, value: Some(raw.to_owned()) }
}

/// Something without which the answer is another one.
fn essential(field: String, raw: Option<&RawValue>) -> Beyond {
    Beyond { field, essential: true, value: raw.map(ToOwned::to_owned) }
}

/// Notes a loss that a conversation repeats in block after block once.
fn lost_once(beyond: &mut Vec<Beyond>, fields: &mut Fields<'_>, name: &str) {
    let Some(raw) = fields.take(name).filter(|raw| !matches!(raw.get(), "[]" | "{}")) else {
        return;
    };
    let said = beyond.iter().any(|other| other.field.rsplit('.').next() == Some(name));
    if !said {
        beyond.push(lost(fields.path_of(name), raw));
    }
}

/// Notes a block that the neutral form has no place for. The first is enough to refuse a request.
fn unknown_block(beyond: &mut Vec<Beyond>, path: &str) {
    if !beyond.iter().any(|other| other.essential && other.field.starts_with("messages[")) {
        beyond.push(essential(path.to_owned(), None));
    }
}
