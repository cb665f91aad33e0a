//! Doors of clouds behind which other vendors' APIs are: Azure, Bedrock's invoke, Vertex AI.
//!
//! They are as strict as the real ones: what the path says must not stand in the body too, and what
//! the cloud has not opened is refused.

mod azure;
mod claude;
mod invoke;

use http::StatusCode;

use super::{
    Flavor,
    answer::{Answer, Refusal, Speech},
    anthropic::messages,
    bedrock::embed::embeds,
    endpoint::{Ask, decoded},
    openai,
};
use claude::Cloud;
pub(super) use invoke::chunk;

/// What is behind a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// One of OpenAI's endpoints at Azure, by its v1 API or by a dated one.
    Azure { endpoint: OpenAi, dated: bool },
    /// Bedrock's `InvokeModel`.
    Invoke { stream: bool },
    /// Claude at its own paths: Foundry, Bedrock's Mantle.
    Messages { count: bool },
    /// Claude on Vertex AI.
    RawPredict { stream: bool, count: bool },
    /// Vertex AI's OpenAI-compatible endpoint.
    OpenApi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenAi {
    Chat,
    Completions,
    Embeddings,
    Responses,
    InputTokens,
}

/// A path of a cloud's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    door: Door,
    /// Where the path names it.
    pub(super) model: Option<String>,
}

impl Path {
    /// Reads a path, unless it is none of this flavor's clouds.
    pub(super) fn read(flavor: Flavor, path: &str) -> Option<Self> {
        let of = |one| flavor == one || flavor == Flavor::Both;
        let azure = || of(Flavor::Azure).then(|| Self::at_azure(path)).flatten();
        let bedrock = || of(Flavor::Bedrock).then(|| Self::at_bedrock(path)).flatten();
        let vertex = || of(Flavor::Vertex).then(|| Self::at_vertex(path)).flatten();
        azure().or_else(bedrock).or_else(vertex)
    }

    fn at_azure(path: &str) -> Option<Self> {
        if let Some(messages) = Self::messages(path) {
            return Some(messages);
        }
        let project = path.strip_prefix("/api/projects/").and_then(|rest| rest.split_once('/'));
        let rest = project.map_or(path.strip_prefix('/')?, |(_, rest)| rest);
        let (dated, model, rest) = match rest.strip_prefix("openai/")? {
            "responses" => (true, None, "responses"),
            rest => match rest.strip_prefix("deployments/") {
                Some(rest) => {
                    let (model, rest) = rest.split_once('/')?;
                    (true, Some(decoded(model)), rest)
                }
                None => (false, None, rest.strip_prefix("v1/")?),
            },
        };
        let endpoint = match rest {
            "chat/completions" => OpenAi::Chat,
            "completions" => OpenAi::Completions,
            "embeddings" => OpenAi::Embeddings,
            "responses" if model.is_none() => OpenAi::Responses,
            "responses/input_tokens" if !dated => OpenAi::InputTokens,
            _ => return None,
        };
        // A project has the v1 API alone.
        (!dated || project.is_none())
            .then_some(Self { door: Door::Azure { endpoint, dated }, model })
    }

    fn at_bedrock(path: &str) -> Option<Self> {
        let Some(rest) = path.strip_prefix("/model/") else { return Self::messages(path) };
        let (model, operation) = rest.split_once('/')?;
        let stream = match operation {
            "invoke" => false,
            "invoke-with-response-stream" => true,
            _ => return None,
        };
        let model = decoded(model);
        // Those have no other API behind them.
        (!embeds(&model)).then_some(Self { door: Door::Invoke { stream }, model: Some(model) })
    }

    fn at_vertex(path: &str) -> Option<Self> {
        let (_project, rest) = path.strip_prefix("/v1/projects/")?.split_once("/locations/")?;
        let (_location, rest) = rest.split_once('/')?;
        if rest == "endpoints/openapi/chat/completions" {
            return Some(Self { door: Door::OpenApi, model: None });
        }
        let (model, method) =
            rest.strip_prefix("publishers/anthropic/models/")?.rsplit_once(':')?;
        let stream = match method {
            "rawPredict" => false,
            "streamRawPredict" => true,
            _ => return None,
        };
        let count = model == "count-tokens";
        let model = (!count).then(|| decoded(model));
        Some(Self { door: Door::RawPredict { stream, count }, model })
    }

    fn messages(path: &str) -> Option<Self> {
        let count = match path.strip_prefix("/anthropic/v1/messages")? {
            "" => false,
            "/count_tokens" => true,
            _ => return None,
        };
        Some(Self { door: Door::Messages { count }, model: None })
    }

    pub(super) fn speech(&self) -> Speech {
        match self.door {
            Door::Azure { endpoint: OpenAi::Responses | OpenAi::InputTokens, .. } => {
                Speech::Responses
            }
            Door::Azure { .. } => Speech::OpenAi,
            Door::Invoke { .. } => Speech::Invoke,
            Door::Messages { .. } => Speech::Anthropic,
            Door::RawPredict { .. } => Speech::RawPredict,
            Door::OpenApi => Speech::OpenApi,
        }
    }
}

pub(super) fn answer(ask: &Ask<'_>, path: &Path) -> Result<Answer, Refusal> {
    match path.door {
        Door::Azure { endpoint, dated } => {
            azure::check_version(ask, dated)?;
            match endpoint {
                OpenAi::Chat => Ok(azure::with_filter_results(openai::chat::answer(ask)?)),
                OpenAi::Completions => openai::completions::answer(ask),
                OpenAi::Embeddings => openai::embeddings::answer(ask),
                OpenAi::Responses => openai::responses::answer(ask),
                OpenAi::InputTokens => openai::responses::input_tokens(ask),
            }
        }
        Door::Invoke { stream } => {
            let request = claude::read(ask, &Cloud::INVOKE)?;
            Ok(invoke::framed(messages::respond(ask, request, Some(stream))?))
        }
        Door::Messages { count } => {
            let foundry = ask.provider.flavor != Flavor::Bedrock;
            let cloud = if foundry { &Cloud::FOUNDRY } else { &Cloud::MANTLE };
            let request = claude::read(ask, cloud)?;
            if count { Ok(messages::count(request)) } else { messages::respond(ask, request, None) }
        }
        Door::RawPredict { stream, count } => {
            refuse_query(ask)?;
            let cloud = if count { &Cloud::COUNT_ON_VERTEX } else { &Cloud::VERTEX };
            claude::check_vertex_name(ask)?;
            let request = claude::read(ask, cloud)?;
            if count {
                return Ok(messages::count(request));
            }
            if request.streams() != stream {
                return Err(Refusal::invalid("stream: does not fit the method of the path"));
            }
            messages::respond(ask, request, None)
        }
        Door::OpenApi => {
            refuse_query(ask)?;
            if !ask.model.contains('/') {
                let message = format!("Invalid model name: {}. Use PUBLISHER/MODEL.", ask.model);
                return Err(Refusal::invalid(message));
            }
            openai::chat::answer(ask)
        }
    }
}

/// Google's services refuse a query that they do not know.
fn refuse_query(ask: &Ask<'_>) -> Result<(), Refusal> {
    match ask.query.split(['&', '=']).next() {
        None | Some("" | "alt" | "key") => Ok(()),
        Some(name) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query \
                 parameter. Field '{name}' could not be found in request message."
            ),
        )),
    }
}

#[cfg(test)]
mod tests;
