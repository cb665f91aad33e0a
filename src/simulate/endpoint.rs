//! Which endpoint a request is for.

use http::{HeaderMap, Method, StatusCode, request::Parts};

use super::{
    Flavor,
    answer::{Answer, Refusal, Speech},
    anthropic, bedrock, cloud,
    fault::Fault,
    gemini, openai,
    prompt::Prompt,
    provider::Provider,
    reply::Reply,
};

/// What the paths of Bedrock's models begin with.
const CONVERSE: &str = "/model/";

/// What an endpoint is asked.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) provider: &'a Provider,
    /// Only what shapes the content matters to an endpoint.
    pub(super) fault: &'a Fault,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
    /// The model without the fault it may have brought.
    pub(super) model: &'a str,
    /// The request's number at this simulator, from 1.
    pub(super) number: u64,
}

impl Ask<'_> {
    /// What is answered; `choice` tells several answers to one prompt apart.
    ///
    /// # Errors
    ///
    /// When it was begun elsewhere and the fault refuses to go on with it.
    pub(super) fn reply(&self, prompt: &Prompt, choice: usize) -> Result<Reply, Refusal> {
        let server = &self.provider.name;
        match &self.provider.plan {
            None => Reply::to(prompt, self.fault, server, choice),
            Some(plan) => {
                let calls = plan.next(&prompt.tools).into_iter().collect();
                Reply::calling(calls, prompt, self.fault, server, choice)
            }
        }
    }

    /// An id that names the simulator and no other answer of its has; `part` tells several of one
    /// answer apart. Ids of tool calls must stay within OpenAI's 40 characters.
    pub(super) fn id(&self, prefix: &str, part: usize) -> String {
        format!("{prefix}{}_{:06x}{part:02x}", self.provider.name, self.number)
    }
}

/// What can be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Chat,
    Completions,
    Embeddings,
    Responses,
    InputTokens,
    Messages,
    CountTokens,
    Converse {
        model: String,
        stream: bool,
    },
    CountConverse {
        model: String,
    },
    Invoke {
        model: String,
    },
    Gemini(gemini::Path),
    Cloud(cloud::Path),
    Models(Speech),
    Model(Speech, String),
    /// What servers of one's own have for those who watch over them.
    Health,
    Metrics,
}

/// A request for nothing that is here.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) speech: Speech,
    pub(super) refusal: Refusal,
}

impl Endpoint {
    pub(super) fn of(flavor: Flavor, head: &Parts) -> Result<Self, Lost> {
        let path = head.uri.path();
        let cloud = cloud::Path::read(flavor, path);
        let google = matches!(flavor, Flavor::Gemini | Flavor::Vertex | Flavor::Both);
        // Lists of models have the same path in Google's stable version and at OpenAI.
        let keyed = flavor == Flavor::Gemini || head.headers.contains_key("x-goog-api-key");
        let google = google.then(|| gemini::Path::read(path, keyed)).flatten();
        let google = google.filter(|google| flavor != Flavor::Vertex || google.is_vertex());
        let speech = match (&cloud, flavor) {
            (Some(cloud), _) => cloud.speech(),
            (None, Flavor::Gemini | Flavor::Vertex) => Speech::Gemini,
            (None, Flavor::Both) if google.is_some() => Speech::Gemini,
            (None, Flavor::Anthropic) => Speech::Anthropic,
            (None, Flavor::Bedrock) => Speech::Bedrock,
            (None, Flavor::Both) if path.starts_with(CONVERSE) => Speech::Bedrock,
            (None, Flavor::Both) if path.starts_with("/v1/messages") => Speech::Anthropic,
            (None, Flavor::Both) if head.headers.contains_key("anthropic-version") => {
                Speech::Anthropic
            }
            (None, Flavor::OpenAi | Flavor::Azure | Flavor::Both) => Speech::OpenAi,
        };
        let lost = |status, message| Lost { speech, refusal: Refusal::new(status, message) };
        let google = google.map(|path| (path.http_method(), Self::Gemini(path)));
        let cloud = cloud.map(|path| (Method::POST, Self::Cloud(path))).or(google);
        let Some((method, endpoint)) = cloud.or_else(|| Self::at(flavor, path, speech)) else {
            let message = format!("Unknown request URL: {} {path}.", head.method);
            let mut lost = lost(StatusCode::NOT_FOUND, message);
            lost.refusal.code = Some("unknown_url".to_owned());
            return Err(lost);
        };
        if head.method == method {
            Ok(endpoint)
        } else {
            let message = format!("Not allowed to {} on {path}; use {method}.", head.method);
            Err(lost(StatusCode::METHOD_NOT_ALLOWED, message))
        }
    }

    /// What is at a path that is not Google's, and by which method.
    fn at(flavor: Flavor, path: &str, speech: Speech) -> Option<(Method, Self)> {
        let speaks = |one| flavor == one || flavor == Flavor::Both;
        let (openai, anthropic) = (speaks(Flavor::OpenAi), speaks(Flavor::Anthropic));
        Some(match path {
            "/health" => (Method::GET, Self::Health),
            "/metrics" => (Method::GET, Self::Metrics),
            "/v1/chat/completions" if openai => (Method::POST, Self::Chat),
            "/v1/completions" if openai => (Method::POST, Self::Completions),
            "/v1/embeddings" if openai => (Method::POST, Self::Embeddings),
            "/v1/responses" if openai => (Method::POST, Self::Responses),
            "/v1/responses/input_tokens" if openai => (Method::POST, Self::InputTokens),
            "/v1/messages" if anthropic => (Method::POST, Self::Messages),
            "/v1/messages/count_tokens" if anthropic => (Method::POST, Self::CountTokens),
            "/v1/models" if openai || anthropic => (Method::GET, Self::Models(speech)),
            _ => match path.strip_prefix("/v1/models/").filter(|id| !id.is_empty()) {
                Some(id) if openai || anthropic => (Method::GET, Self::Model(speech, decoded(id))),
                _ if speaks(Flavor::Bedrock) => (Method::POST, Self::of_model(path)?),
                _ => return None,
            },
        })
    }

    /// The model is one segment of the path: AWS knows no path with a bare slash in it.
    fn of_model(path: &str) -> Option<Self> {
        let (model, operation) = path.strip_prefix(CONVERSE)?.split_once('/')?;
        let model = decoded(model);
        Some(match operation {
            "converse" => Self::Converse { model, stream: false },
            "converse-stream" => Self::Converse { model, stream: true },
            "count-tokens" => Self::CountConverse { model },
            "invoke" => Self::Invoke { model },
            _ => return None,
        })
    }

    /// The model, where the path names it.
    pub(super) fn model(&self) -> Option<&str> {
        match self {
            Self::Converse { model, .. }
            | Self::CountConverse { model }
            | Self::Invoke { model } => Some(model),
            Self::Gemini(path) => Some(&path.model),
            Self::Cloud(path) => path.model.as_deref(),
            _ => None,
        }
    }

    pub(super) fn speech(&self) -> Speech {
        match self {
            Self::Chat | Self::Completions | Self::Embeddings | Self::Health | Self::Metrics => {
                Speech::OpenAi
            }
            Self::Responses | Self::InputTokens => Speech::Responses,
            Self::Messages | Self::CountTokens => Speech::Anthropic,
            Self::Converse { .. } | Self::CountConverse { .. } | Self::Invoke { .. } => {
                Speech::Bedrock
            }
            Self::Gemini(_) => Speech::Gemini,
            Self::Cloud(path) => path.speech(),
            Self::Models(speech) | Self::Model(speech, _) => *speech,
        }
    }

    pub(super) fn answer(&self, ask: &Ask<'_>) -> Result<Answer, Refusal> {
        match self {
            Self::Chat => openai::chat::answer(ask),
            Self::Completions => openai::completions::answer(ask),
            Self::Embeddings => openai::embeddings::answer(ask),
            Self::Responses => openai::responses::answer(ask),
            Self::InputTokens => openai::responses::input_tokens(ask),
            Self::Messages => anthropic::messages::answer(ask),
            Self::CountTokens => anthropic::messages::count_tokens(ask),
            Self::Converse { stream, .. } => bedrock::converse::answer(ask, *stream),
            Self::CountConverse { .. } => bedrock::converse::count_tokens(ask),
            Self::Invoke { .. } => bedrock::embed::answer(ask),
            Self::Gemini(path) => gemini::answer(ask, path),
            Self::Cloud(path) => cloud::answer(ask, path),
            Self::Health => Ok(Answer::json(&serde_json::json!({"status": "ok"}))),
            Self::Metrics => Ok(ask.provider.load.metrics(ask.provider.ledger.snapshot())),
            Self::Models(Speech::Anthropic) => anthropic::models::list(ask),
            Self::Models(_) => Ok(openai::models::list(ask)),
            Self::Model(Speech::Anthropic, id) => anthropic::models::one(ask, id),
            Self::Model(_, id) => openai::models::one(ask, id),
        }
    }
}

/// Percent-decoded; model names contain slashes, which some clients encode.
pub(super) fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => bytes.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_is_encoded_and_nothing_else() {
        assert_eq!(decoded("org%2Fb%20%c3%a9"), "org/b é");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%"), "%zz%");
    }
}
