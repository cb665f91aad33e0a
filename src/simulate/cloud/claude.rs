//! What clouds let pass of Anthropic's Messages.

use http::StatusCode;
use serde_json::{Map, Value};

use crate::simulate::{answer::Refusal, anthropic::messages::Request, endpoint::Ask};

/// The members of a request that every cloud takes.
const MEMBERS: &[&str] = &[
    "cache_control",
    "max_tokens",
    "messages",
    "metadata",
    "output_config",
    "stop_sequences",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

/// Members that a beta opens, and how it begins.
const OPENED: &[(&str, &str)] =
    &[("context_management", "context-management-"), ("mcp_servers", "mcp-client-")];

/// How one cloud has it.
pub(super) struct Cloud {
    /// What the body must say of the version; none where a header says it.
    versions: &'static [&'static str],
    /// Members beside those of all clouds.
    members: &'static [&'static str],
    /// Betas that it knows.
    betas: &'static [&'static str],
    betas_in_body: bool,
}

impl Cloud {
    pub(super) const INVOKE: Self = Self {
        versions: &["bedrock-2023-05-31", "2026-10-21"],
        members: &["anthropic_beta", "anthropic_version"],
        betas: &[
            "context-1m-2025-08-07",
            "context-management-2025-06-27",
            "interleaved-thinking-2025-05-14",
            "tool-search-tool-2025-10-19",
        ],
        betas_in_body: true,
    };
    pub(super) const MANTLE: Self =
        Self { versions: &[], members: &["model", "stream"], betas_in_body: false, ..Self::INVOKE };
    pub(super) const VERTEX: Self = Self {
        versions: &["vertex-2023-10-16", "2026-10-21"],
        members: &["anthropic_version", "stream"],
        betas_in_body: false,
        ..Self::INVOKE
    };
    pub(super) const COUNT_ON_VERTEX: Self =
        Self { members: &["anthropic_version", "model"], ..Self::VERTEX };
    pub(super) const FOUNDRY: Self = Self {
        versions: &[],
        members: &["model", "stream"],
        betas: &[
            "context-1m-2025-08-07",
            "context-management-2025-06-27",
            "interleaved-thinking-2025-05-14",
            "mcp-client-2025-11-20",
        ],
        betas_in_body: false,
    };
}

/// Reads a request after the checks that are the cloud's own.
pub(super) fn read(ask: &Ask<'_>, cloud: &Cloud) -> Result<Request, Refusal> {
    let body: Map<String, Value> = serde_json::from_slice(ask.body)
        .map_err(|error| Refusal::invalid(format!("Malformed input request: {error}")))?;
    let version = body.get("anthropic_version").and_then(Value::as_str);
    match version {
        None if cloud.versions.is_empty() => {
            if !ask.headers.contains_key("anthropic-version") {
                return Err(Refusal::invalid("anthropic-version: header is required"));
            }
        }
        None => return Err(Refusal::invalid("anthropic_version: Field required")),
        Some(version) if !cloud.versions.contains(&version) => {
            return Err(Refusal::invalid(format!("anthropic_version: {version:?} is not valid")));
        }
        Some(_) => {}
    }
    let betas = betas(ask, &body, cloud);
    if betas.iter().any(|beta| !cloud.betas.contains(&beta.as_str())) {
        return Err(Refusal::invalid("invalid beta flag"));
    }
    let opened = |name: &str| {
        let mut by = OPENED.iter().filter(|(member, _)| *member == name);
        by.any(|(_, start)| betas.iter().any(|beta| beta.starts_with(start)))
    };
    let known =
        |name: &str| MEMBERS.contains(&name) || cloud.members.contains(&name) || opened(name);
    if let Some(name) = body.keys().find(|name| !known(name)) {
        return Err(extra(name));
    }
    if let Some(at) = scoped("", &Value::Object(body.clone())) {
        return Err(extra(&format!("{at}.cache_control.ephemeral.scope")));
    }
    let request: Request = serde_json::from_slice(ask.body)
        .map_err(|error| Refusal::invalid(format!("Malformed input request: {error}")))?;
    request.check()?;
    Ok(request)
}

fn extra(name: &str) -> Refusal {
    Refusal::invalid(format!("{name}: Extra inputs are not permitted"))
}

/// Clouds that have betas in the body do not look at the header.
fn betas(ask: &Ask<'_>, body: &Map<String, Value>, cloud: &Cloud) -> Vec<String> {
    if cloud.betas_in_body {
        let list = body.get("anthropic_beta").and_then(Value::as_array).into_iter().flatten();
        return list.filter_map(Value::as_str).map(str::to_owned).collect();
    }
    let values =
        ask.headers.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|beta| beta.trim().to_owned()).collect()
}

/// Where a mark of the cache has a scope, which no cloud here knows.
fn scoped(path: &str, value: &Value) -> Option<String> {
    match value {
        Value::Object(members) => {
            let mark = members.get("cache_control").and_then(|mark| mark.get("scope"));
            mark.map(|_| path.trim_start_matches('.').to_owned()).or_else(|| {
                // Schemas and what tools were called with are the caller's own.
                let mut inner = members.iter().filter(|(name, _)| !name.starts_with("input"));
                inner.find_map(|(name, value)| scoped(&format!("{path}.{name}"), value))
            })
        }
        Value::Array(elements) => {
            let mut elements = elements.iter().enumerate();
            elements.find_map(|(at, value)| scoped(&format!("{path}.{at}"), value))
        }
        _ => None,
    }
}

/// Vertex AI has no model of a name that ends in a date behind a dash.
pub(super) fn check_vertex_name(ask: &Ask<'_>) -> Result<(), Refusal> {
    let date = ask.model.rsplit_once('-').map_or("", |(_, date)| date);
    if ask.model.is_empty() || (date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("Publisher Model `publishers/anthropic/models/{}` was not found.", ask.model),
        ));
    }
    Ok(())
}
