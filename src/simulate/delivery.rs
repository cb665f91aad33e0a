//! Where an answer meets its fault: what is to be sent, and how.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    answer::{Answer, Refusal, Speech},
    fault::{Cut, Ending, Fault, Replacement},
    frames::Frames,
    playback::Score,
};

/// What load balancers show when nothing answers behind them.
const HTML: &str = "<html><head><title>502 Bad Gateway</title></head>\
    <body><h1>502 Bad Gateway</h1></body></html>\n";

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// Where AWS names an error's type.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// What it cost to invoke a model.
const TOKENS: HeaderName = HeaderName::from_static("x-amzn-bedrock-input-token-count");
const FRAMES: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// A response that is ready to be played.
pub(super) struct Delivery {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) score: Score,
}

impl Fault {
    /// The error that this fault answers with, if it does.
    pub(super) fn error_answer(&self) -> Option<Refusal> {
        self.status.map(|status| self.refusal_of(status))
    }

    fn refusal_of(&self, status: StatusCode) -> Refusal {
        Refusal {
            kind: self.kind.clone(),
            code: self.code.clone(),
            ..Refusal::new(status, self.message.clone().unwrap_or_else(|| describe(status)))
        }
    }
}

/// Spoils `outcome` as `fault` says.
pub(super) fn deliver(
    outcome: Result<Answer, Refusal>,
    speech: Speech,
    fault: &Fault,
    request_id: &str,
) -> Delivery {
    let mut headers = HeaderMap::with_capacity(8);
    let (status, score) = match (outcome, fault.body) {
        (outcome, Some(replacement)) => {
            let status = outcome.map_or_else(|refusal| refusal.status, |_| StatusCode::OK);
            (status, replaced(replacement, &mut headers))
        }
        (Ok(Answer::Plain(body)), None) => {
            headers.insert(header::CONTENT_TYPE, JSON);
            (StatusCode::OK, Score::plain(body.into()))
        }
        (Ok(Answer::Metrics(body)), None) => {
            headers.insert(header::CONTENT_TYPE, METRICS);
            (StatusCode::OK, Score::plain(body.into()))
        }
        (Ok(Answer::Counted(body, tokens)), None) => {
            headers.insert(header::CONTENT_TYPE, JSON);
            headers.insert(TOKENS, HeaderValue::from(tokens));
            (StatusCode::OK, Score::plain(body.into()))
        }
        (Ok(Answer::Events(mut frames)), None) => {
            let binary = matches!(speech, Speech::Bedrock | Speech::Invoke);
            let kind = if binary { FRAMES } else { EVENTS };
            headers.insert(header::CONTENT_TYPE, kind);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            spoil(&mut frames, speech, fault, request_id);
            (StatusCode::OK, Score::events(frames))
        }
        (Err(refusal), None) => {
            headers.insert(header::CONTENT_TYPE, JSON);
            if matches!(speech, Speech::Bedrock | Speech::Invoke) {
                let kind = refusal.kind.as_deref().unwrap_or_else(|| speech.kind(refusal.status));
                headers.extend(HeaderValue::from_str(kind).ok().map(|kind| (ERROR_TYPE, kind)));
            }
            (refusal.status, Score::plain(speech.error(&refusal, request_id).into()))
        }
    };
    overwrite(&mut headers, &fault.headers);
    Delivery { status, headers, score: timed(score, fault) }
}

fn describe(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("Simulated error {}: {reason}.", status.as_str()),
        None => format!("Simulated error {}.", status.as_str()),
    }
}

fn replaced(replacement: Replacement, headers: &mut HeaderMap) -> Score {
    match replacement {
        Replacement::Empty => {
            headers.insert(header::CONTENT_TYPE, JSON);
            Score::plain(Bytes::new())
        }
        Replacement::Html => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            Score::plain(Bytes::from_static(HTML.as_bytes()))
        }
    }
}

fn spoil(frames: &mut Frames, speech: Speech, fault: &Fault, request_id: &str) {
    if fault.no_end {
        frames.drop_end_marker();
    }
    if let Some(after) = fault.error {
        let refusal = fault.refusal_of(StatusCode::INTERNAL_SERVER_ERROR);
        frames.truncate(after);
        frames.insert(after, &speech.error_event(&refusal, request_id, after));
    }
    if let Some(after) = fault.garbage {
        frames.insert(after, &speech.garbage_event());
    }
    if let Some(bytes) = fault.huge {
        frames.insert(1, &speech.huge_event(bytes));
    }
}

/// A fault's header replaces ours, but repeats of one name in the fault are all sent.
fn overwrite(headers: &mut HeaderMap, wanted: &[(HeaderName, HeaderValue)]) {
    for (name, _) in wanted {
        headers.remove(name);
    }
    for (name, value) in wanted {
        headers.append(name, value.clone());
    }
}

fn timed(mut score: Score, fault: &Fault) -> Score {
    score.first = fault.first;
    score.pace = fault.pace;
    score.drip = fault.drip;
    if let Some(Cut { after, how }) = fault.cut {
        score.ending = how;
        if score.length.is_none() {
            score.ends.truncate(after);
        } else if after == 0 {
            score.ends.clear();
        } else {
            score.ends = vec![score.bytes.len() / 2];
        }
        if how == Ending::End {
            // HTTP can end a body properly only at the length that it announced.
            score.length = score.length.map(|_| score.ends.last().map_or(0, |end| *end as u64));
        }
    }
    score
}
