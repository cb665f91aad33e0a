//! A client's request as the neutral form.

use serde_json::value::RawValue;

use super::{config, parts, tools, turns};
use crate::protocol::dialect::Unreadable;
use crate::protocol::gemini::members::Members;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{Part, Request, SystemText};

/// Members that change what the answer is made from or who may see it.
const ESSENTIAL: &[&str] = &["cachedContent", "modelArmorConfig"];
/// Members that say nothing about the answer, or nothing that the path does not say.
const IGNORED: &[&str] = &["model", "stream", "store"];

/// Reads a request.
pub(in crate::protocol::gemini) fn read(body: &[u8]) -> Result<Request, Unreadable> {
    let mut body = Members::of_body(body)?;
    let mut request = Request::default();
    if let Some(instruction) = body.object("systemInstruction")? {
        read_system(instruction, &mut request)?;
    }
    if let Some(config) = body.object("generationConfig")? {
        config::read(config, &mut request)?;
    }
    tools::read(body.objects("tools")?, &mut request)?;
    if let Some(config) = body.object("toolConfig")? {
        tools::read_choice(config, &mut request)?;
    }
    turns::read(body.objects("contents")?, &mut request)?;
    if let Some(tier) = body.text("serviceTier")? {
        request.service_tier = match tier.to_ascii_lowercase().as_str() {
            "standard" => Some("default".to_owned()),
            "flex" => Some("flex".to_owned()),
            "priority" => Some("priority".to_owned()),
            _ => None,
        };
    }
    // The names are the client's own: they stay as they are spelled.
    request.metadata = body.take("labels", "an object of strings")?.unwrap_or_default();
    for (field, raw) in body.rest().filter(|(field, _)| !IGNORED.contains(&field.as_str())) {
        let essential = ESSENTIAL.contains(&field.as_str());
        request.beyond.push(beyond(field, essential, Some(raw)));
    }
    Ok(request)
}

/// A member that the neutral form has no place for.
pub(super) fn beyond(field: String, essential: bool, raw: Option<&RawValue>) -> Beyond {
    Beyond { field, essential, value: raw.map(ToOwned::to_owned) }
}

fn read_system(mut instruction: Members<'_>, request: &mut Request) -> Result<(), Unreadable> {
    for part in instruction.objects("parts")? {
        let path = part.path().to_owned();
        let mut read = Vec::new();
        parts::read_plain(part, &mut read, &mut request.beyond)?;
        for part in read {
            match part {
                Part::Text { text, .. } if text.is_empty() => {}
                Part::Text { text, .. } => request.system.push(SystemText { text, cache: None }),
                _ => return Err(Unreadable::new(path, "must be text")),
            }
        }
    }
    Ok(())
}
