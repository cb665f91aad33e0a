//! One request and its answer, from head to last byte.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{
    answer::{Refusal, Speech},
    bedrock::{
        self,
        signature::{self, check_signature},
    },
    delivery::{Delivery, deliver},
    endpoint::{Ask, Endpoint},
    fault::{Fault, Mute},
    observe::Exchange,
    playback::{BrokeOff, Playback},
    provider::Provider,
    socket::Link,
};

/// Largest request: twice what the strictest of the real APIs (Anthropic, 32 MB) accepts.
const MAX_BODY: usize = 64 << 20;

/// What Bedrock is called in signatures.
const SERVICE: &str = "bedrock";

/// The header that brings a fault.
pub(super) const FAULT_HEADER: &str = "x-simulate";
/// The header that names the simulator which answered.
const NAME_HEADER: &str = "x-simulator";

/// Serves one request. An error makes hyper break the connection (or HTTP/2 stream) off.
pub(super) async fn run(
    provider: Arc<Provider>,
    link: Arc<Link>,
    request: Request<Incoming>,
) -> Result<Response<Playback>, BrokeOff> {
    let mut exchange = provider.ledger.begin();
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        // The client went away.
        Err(_) => return Err(BrokeOff),
    };
    let number = provider.ledger.record(&head, body.as_ref().unwrap_or(&Bytes::new()));
    let request_id = format!("req_{}_{number:06}", provider.name);
    let endpoint = Endpoint::of(provider.flavor, &head);
    let speech = endpoint.as_ref().map_or_else(|lost| lost.speech, Endpoint::speech);
    let ready = body.and_then(|body| {
        // Without a key, and with faults of their own: a page may lie.
        let fault = match endpoint {
            Ok(Endpoint::Health) => Some(provider.health_fault()),
            Ok(Endpoint::Metrics) => Some(provider.load.fault()),
            _ => None,
        };
        if let Some(fault) = fault {
            return Ok((body, Prepared { model: String::new(), fault }));
        }
        let named = endpoint.as_ref().ok().and_then(Endpoint::model);
        prepare(&provider, &head, &body, speech, named).map(|fault| (body, fault))
    });
    let (outcome, fault) = match ready {
        Err(refusal) => (Err(refusal), Arc::default()),
        Ok((body, Prepared { model, fault })) => {
            let delay = if fault.delay.is_zero() { provider.latency } else { fault.delay };
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if let Some(mute) = fault.refusal {
                return Err(keep_silent(&provider, mute, &link, &mut exchange).await);
            }
            let outcome = match (fault.error_answer(), endpoint) {
                (Some(refusal), _) => Err(refusal),
                (None, Err(lost)) => Err(lost.refusal),
                (None, Ok(endpoint)) => endpoint.answer(&Ask {
                    provider: &provider,
                    fault: &fault,
                    headers: &head.headers,
                    query: head.uri.query().unwrap_or_default(),
                    body: &body,
                    model: &model,
                    number,
                }),
            };
            (outcome, fault)
        }
    };
    let mut delivery = deliver(outcome, speech, &fault, &request_id);
    sign(&mut delivery, &provider, speech, &request_id);
    let stopping = provider.stopping.clone();
    let mut response = Response::new(Playback::new(delivery.score, link, stopping, exchange));
    *response.status_mut() = delivery.status;
    *response.headers_mut() = delivery.headers;
    Ok(response)
}

/// What is known of a request before its endpoint is asked.
struct Prepared {
    /// The model without the fault.
    model: String,
    fault: Arc<Fault>,
}

/// `named` is the model, where the path names it.
fn prepare(
    provider: &Provider,
    head: &Parts,
    body: &Bytes,
    speech: Speech,
    named: Option<&str>,
) -> Result<Prepared, Refusal> {
    check_caller(provider, head, body, speech)?;
    let asked = named.map_or_else(|| asked_model(body), Cow::Borrowed);
    let (model, suffix) = match asked.split_once(';') {
        Some((model, suffix)) => (model, Some(suffix)),
        None => (&*asked, None),
    };
    let brought = match head.headers.get(FAULT_HEADER) {
        Some(value) => {
            Some(value.to_str().map_err(|_| Refusal::invalid("`x-simulate` is no text"))?)
        }
        None => suffix,
    };
    let fault = match brought {
        None => provider.standing_fault(),
        Some(text) => {
            let fault = text.parse().map_err(|error: super::FaultSyntax| {
                Refusal::invalid(error.to_string()).with_code("invalid_fault")
            })?;
            Arc::new(provider.brought_fault(model, text, fault))
        }
    };
    Ok(Prepared { model: model.to_owned(), fault })
}

/// The `model` of a JSON body; empty when there is none, of which the endpoint complains itself.
fn asked_model(body: &[u8]) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow)]
        model: Option<Cow<'a, str>>,
    }
    let asked: Option<Asked<'_>> = serde_json::from_slice(body).ok();
    asked.and_then(|asked| asked.model).unwrap_or_default()
}

fn check_caller(
    provider: &Provider,
    head: &Parts,
    body: &[u8],
    speech: Speech,
) -> Result<(), Refusal> {
    let access_keys = provider.access_keys();
    let amazon = matches!(speech, Speech::Bedrock | Speech::Invoke);
    if provider.keys.is_empty() && (access_keys.is_empty() || !amazon) {
        return Ok(());
    }
    if amazon && signature::is_signed(&head.headers) {
        let now = provider.clock();
        return Ok(check_signature(head, body, SERVICE, &access_keys, now)?);
    }
    check_key(provider, head, speech)
}

fn check_key(provider: &Provider, head: &Parts, speech: Speech) -> Result<(), Refusal> {
    let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let mut pairs = head.uri.query().unwrap_or_default().split('&');
    let known = |key: &str| provider.keys.iter().any(|known| known.expose_secret() == key);
    if speech == Speech::Gemini {
        let query = pairs.find_map(|pair| pair.strip_prefix("key="));
        return match (text("x-goog-api-key").or(query), bearer) {
            (Some(key), _) | (None, Some(key)) if known(key) => Ok(()),
            // Google takes a wrong key for a mistake of the request.
            (Some(_), _) => {
                let message = "API key not valid. Please pass a valid API key.";
                Err(Refusal::invalid(message).with_code("API_KEY_INVALID"))
            }
            (None, Some(_)) => Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "Request had invalid authentication credentials.",
            )),
            (None, None) => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "Method doesn't allow unregistered callers (callers without established \
                 identity). Please use API Key or other form of API consumer identity.",
            )),
        };
    }
    let amazon = matches!(speech, Speech::Bedrock | Speech::Invoke);
    let google = matches!(speech, Speech::RawPredict | Speech::OpenApi);
    let plain = text("x-api-key").or_else(|| text("api-key")).filter(|_| !amazon && !google);
    let Some(key) = plain.or(bearer) else {
        if amazon {
            return Err(bedrock::unsigned());
        }
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "You didn't provide an API key: send `Authorization: Bearer KEY` or `x-api-key: KEY`.",
        ));
    };
    if known(key) {
        Ok(())
    } else if amazon {
        Err(bedrock::wrong_key())
    } else {
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "Incorrect API key provided."))
    }
}

fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The request is over {MAX_BODY} bytes."))
}

/// Says nothing, as told, then breaks off.
async fn keep_silent(
    provider: &Provider,
    mute: Mute,
    link: &Link,
    exchange: &mut Exchange,
) -> BrokeOff {
    match mute {
        Mute::Silent => provider.stopping.cancelled().await,
        Mute::Reset => {
            link.reset_on_close();
            exchange.complete();
        }
        Mute::Close => exchange.complete(),
    }
    BrokeOff
}

/// Adds who answered, unless the fault has set these headers itself.
fn sign(delivery: &mut Delivery, provider: &Provider, speech: Speech, request_id: &str) {
    let id = match speech {
        Speech::OpenAi | Speech::Responses | Speech::Gemini | Speech::OpenApi => "x-request-id",
        Speech::Anthropic | Speech::RawPredict => "request-id",
        Speech::Bedrock | Speech::Invoke => "x-amzn-requestid",
    };
    for (name, value) in [(id, request_id), (NAME_HEADER, &provider.name)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            delivery.headers.entry(name).or_insert(value);
        }
    }
}
