//! Requests for embeddings, and the vectors that come.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use pilothouse::protocol::embeddings::{
    AnswerWriter, Ask, ClientApi, EmbeddingsId, Input, Request, plan,
};
use pilothouse::protocol::neutral::{Compatibility, Crossing};
use pilothouse::protocol::registry::OPERATIONS;
use pilothouse::wire::json::Object;
use serde_json::{Map, Value, json};

use super::shown;

/// One of each kind that the APIs tell apart.
const MODELS: [&str; 8] = [
    "gemini-embedding-001",
    "gemini-embedding-2",
    "text-embedding-005",
    "amazon.titan-embed-text-v1",
    "amazon.titan-embed-text-v2:0",
    "cohere.embed-english-v3",
    "us.cohere.embed-v4:0",
    "publishers/google/models/a b",
];

const APIS: [EmbeddingsId; 3] = [EmbeddingsId::Bedrock, EmbeddingsId::Gemini, EmbeddingsId::Vertex];

/// Reads an input as the request of a client and as the answer of a provider.
pub fn run(input: &[u8]) {
    let ([first, second], body) = super::choices(input);
    let (api, left) = super::one_of(&APIS, first);
    let (model, left) = super::one_of(&MODELS, left);
    if let Some(Ok(request)) = ClientApi::OpenAi.read(body) {
        let compatibilities =
            [Compatibility::Standard, Compatibility::Lenient, Compatibility::Strict];
        let (compatibility, left) = super::one_of(&compatibilities, left);
        ask(&request, api, model, compatibility, left % 2 == 1);
    }
    if let Ok(object) = Object::parse(Bytes::copy_from_slice(body)) {
        for client in [ClientApi::OpenAi, ClientApi::GeminiOne, ClientApi::GeminiBatch] {
            if let Ok(Some(text)) = client.readdress(&object, model) {
                let changed = Object::parse(text.clone());
                assert!(changed.is_ok(), "{client:?}: no object: {}", shown(&text));
            }
        }
    }
    answer(api, body, second);
}

/// The calls ask for every text once, in bodies that are JSON.
fn ask(
    request: &Request,
    api: EmbeddingsId,
    model: &str,
    compatibility: Compatibility,
    patched: bool,
) {
    let mut raw = Map::new();
    if patched {
        raw.insert("input_type".into(), json!({"a": [1, null]}));
    }
    let ask = Ask { request, model, raw: &raw };
    let mut crossing = Crossing::new(compatibility);
    let plan = match plan(api, &ask, &mut crossing) {
        Ok(plan) => plan,
        Err(lost) => {
            assert!(!lost.message.is_empty(), "a refusal says why: {lost:?}");
            return;
        }
    };
    let Input::Texts(texts) = &request.input else { panic!("tokens cross to {api:?}") };
    let wanted: usize = plan.calls.iter().map(|call| call.count).sum();
    assert_eq!(wanted, texts.len(), "{api:?} {model}");
    for call in &plan.calls {
        assert!(call.path.is_ascii() && call.path.starts_with('/'), "{api:?}: {}", call.path);
        let body = Object::parse(call.body.clone());
        assert!(body.is_ok(), "{api:?}: no object: {}", shown(&call.body));
    }
}

/// The vectors arrive as they came, in an answer of the client's own API.
fn answer(api: EmbeddingsId, body: &[u8], choice: u8) {
    let mut headers = HeaderMap::new();
    headers.insert("x-amzn-bedrock-input-token-count", HeaderValue::from(u16::from(choice)));
    let Ok(embedded) = api.api().read(&headers, body) else { return };
    let base64 = choice % 2 == 1;
    let mut writer = AnswerWriter::new(base64);
    let mut vectors = Vec::new();
    for vector in embedded.vectors {
        if writer.push(vector).is_ok() {
            vectors.push(vector.get());
        }
    }
    let tokens = embedded.tokens.unwrap_or_default();
    let answer = writer.finish("a \"model\"", tokens);
    let told: Value = serde_json::from_slice(&answer)
        .unwrap_or_else(|error| panic!("{api:?}: {error}: {}", shown(&answer)));
    let data = told["data"].as_array().expect("a list");
    assert_eq!(data.len(), vectors.len());
    for (at, (item, vector)) in data.iter().zip(&vectors).enumerate() {
        assert_eq!(item["index"], at);
        let expected: Value = serde_json::from_str(vector).expect("numbers");
        if base64 {
            let floats = expected.as_array().map_or(0, Vec::len);
            // Three bytes are four letters, the last ones filled up.
            let letters = item["embedding"].as_str().map_or(0, str::len);
            assert_eq!(letters, (4 * floats).div_ceil(3) * 4, "{vector}");
        } else {
            assert_eq!(item["embedding"], expected);
        }
    }
    let operation = OPERATIONS.iter().find(|row| row.embeds == Some(ClientApi::OpenAi));
    let read = operation.expect("a row").answers.read_reply(&answer).expect("an answer");
    assert_eq!(read.usage.input, Some(tokens), "{}", shown(&answer));
}
