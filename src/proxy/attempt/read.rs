//! An answer of success, read until it may go out: a reply to its end, a stream to its first output.

use std::future::poll_fn;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tokio::time::timeout_at;

use super::failure::too_slow;
use super::gather::{CollectError, Collected, Gathered, collect};
use super::refused::describe;
use super::{Answer, Attempt, Failure};
use crate::protocol::dialect::ClientView;
use crate::protocol::error::{ErrorFacts, ErrorView};
use crate::protocol::hub::{StreamTranslator, translate_reply};
use crate::protocol::neutral::Warning;
use crate::protocol::usage::Usage;
use crate::proxy::budget::Exhausted;
use crate::proxy::classify::{Class, classify_in_band};
use crate::proxy::events::{EventStream, Passage, Progress, Resuming, StreamFault};
use crate::proxy::failover::may_resume;
use crate::proxy::headers::{self, names};
use crate::proxy::prepare::Translated;
use crate::proxy::relay::LongReply;
use crate::proxy::respond::told;
use crate::upstream::UpstreamBody;

/// A plain reply is held up to this size, so that one that breaks off can still fail over; longer
/// ones (large batches of embeddings) pass as they come.
const HELD_REPLY: usize = 4 * 1024 * 1024;
/// One that is translated has to be held whole; no answer of words is longer, pictures included.
pub(super) const HELD_TRANSLATED: usize = 64 * 1024 * 1024;
/// A preamble is held up to this size; a Responses stream repeats its whole request in it.
const HELD_PREAMBLE: usize = 1024 * 1024;

impl Attempt<'_> {
    /// A plain answer to a request for a stream: an error in disguise, most often.
    pub(super) async fn not_a_stream(self, response: Response<UpstreamBody>) -> Failure {
        match self.reply(response).await {
            Err(failure) => failure,
            Ok(_) => Failure::new(Class::Failure, "answered a request for a stream without one"),
        }
    }

    pub(super) async fn reply(self, response: Response<UpstreamBody>) -> Result<Answer, Failure> {
        let (head, mut body) = response.into_parts();
        let mut headers = headers::from_target(&head.headers);
        warn(&mut headers, &self.prepared.warnings);
        let answers = self.prepared.operation.answers;
        let translated = self.prepared.translated.as_ref();
        let limit = if translated.is_some() { HELD_TRANSLATED } else { HELD_REPLY };
        let reading = collect(&mut body, limit, &self.context.gateway.budget);
        let collected = match timeout_at(self.limits.give_up, reading).await {
            Ok(Ok(collected)) => collected,
            Ok(Err(error)) => return Err(uncollected(&error)),
            Err(_) => return Err(too_slow(self.limits)),
        };
        // Compressed although nobody asked for it; the client may be able to read it.
        let readable = !headers.contains_key(CONTENT_ENCODING);
        let text = match collected {
            Collected::Beginning(_) if translated.is_some() => {
                return Err(Failure::new(Class::Failure, "sent a reply too long to be translated"));
            }
            Collected::Beginning(held) if readable && !begins_an_object(&held) => {
                return Err(Failure::of_another_protocol());
            }
            Collected::Beginning(held) => {
                let rest = Box::new(LongReply::new(body, &held, readable.then_some(answers)));
                return Ok(Answer::LongReply { headers, held, rest });
            }
            Collected::Whole(text) => text,
        };
        let status = head.status;
        if !readable && translated.is_some() {
            return Err(Failure::new(Class::Failure, "sent a compressed reply, unasked"));
        }
        if !readable {
            return Ok(Answer::Reply { status, headers, body: text, usage: Usage::default() });
        }
        let read = answers.read_reply(&text).map_err(|_| Failure::of_another_protocol())?;
        match read.error {
            Some(facts) if translated.is_some() => {
                Err(self.broken(&StreamFault::Error(facts), headers))
            }
            Some(facts) => Err(in_band(self.classify_in_band(&facts), &facts, headers, text)),
            None => match translated {
                Some(how) => self.translate_reply(how, status, headers, &text),
                None => Ok(Answer::Reply { status, headers, body: text, usage: read.usage }),
            },
        }
    }

    /// Asks for an answer that is held whole, up to `limit` bytes.
    pub(in crate::proxy) async fn ask_whole(
        self,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<(HeaderMap, Bytes), Failure> {
        let (head, mut body) = self.send(request).await?.into_parts();
        let reading = collect(&mut body, limit, &self.context.gateway.budget);
        match timeout_at(self.limits.give_up, reading).await {
            Ok(Ok(Collected::Whole(text))) => Ok((head.headers, text)),
            Ok(Ok(Collected::Beginning(_))) => {
                Err(Failure::new(Class::Failure, "sent a reply too long to be translated"))
            }
            Ok(Err(error)) => Err(uncollected(&error)),
            Err(_) => Err(too_slow(self.limits)),
        }
    }

    fn translate_reply(
        self,
        how: &Translated,
        status: StatusCode,
        mut headers: HeaderMap,
        text: &[u8],
    ) -> Result<Answer, Failure> {
        let view = self.client_view();
        let translated = translate_reply(how.provider, how.client, &how.undo, &view, text)
            .map_err(|_| Failure::of_another_protocol())?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Answer::Reply { status, headers, body: translated.body, usage: translated.usage })
    }

    fn client_view(&self) -> ClientView<'_> {
        let model = self.upstream.model.as_deref().unwrap_or(&self.resolved.facts.model);
        self.context.client_view(self.resolved, model)
    }

    /// How the events of the stream reach the client; what the head has to say about that.
    fn passage(self, hide_usage: bool, headers: &mut HeaderMap) -> Passage {
        let choices = self.resolved.facts.choices;
        warn(headers, &self.prepared.warnings);
        let framing = self.resolved.operation.framing;
        if self.prepared.translated.is_some() || framing != self.framing() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(framing.media_type()));
        }
        let Some(how) = &self.prepared.translated else {
            return Passage::direct(self.prepared.operation, choices, hide_usage);
        };
        let (view, undo) = (self.client_view(), how.undo.clone());
        let translator = StreamTranslator::new(how.provider, how.client, undo, &view, choices);
        Passage::Translated(Box::new(translator))
    }

    pub(super) async fn stream(
        self,
        response: Response<UpstreamBody>,
        hide_usage: bool,
    ) -> Result<Answer, Failure> {
        let (head, body) = response.into_parts();
        let mut headers = headers::from_target(&head.headers);
        let budget = &self.context.gateway.budget;
        let mut events = self.event_stream(body, hide_usage, &mut headers)?;
        let mut held = Gathered::new(budget);
        let mut progress = Progress::None;
        let mut limits = self.limits.until_output(self.upstream.timeouts.thinking_idle);
        let failure = loop {
            let reading = poll_fn(|cx| events.poll_batch(cx));
            let batch = match timeout_at(limits.give_up, reading).await {
                Ok(Some(Ok(batch))) => batch,
                Ok(Some(Err(fault))) => break self.broken(&fault, headers),
                Ok(None) => break Failure::new(Class::Failure, "sent an empty stream"),
                Err(_) => break too_slow(limits),
            };
            self.alive.store(true, Ordering::Relaxed);
            if self.resuming.is_some() {
                limits = limits.while_it_repeats(batch.progress, &self.upstream.timeouts);
            }
            progress = progress.max(batch.progress);
            // What goes on with another stream holds its words back until they fit.
            let fits = self.resuming.is_none()
                || !batch.bytes.is_empty()
                || progress >= Progress::Finished;
            if let Err(exhausted) = held.push(batch.bytes) {
                break out_of_memory(exhausted);
            }
            // Reasoning is generated output too: it is shown, and it cannot be taken back.
            if fits && (progress >= Progress::Thinking || held.len() > HELD_PREAMBLE) {
                return Ok(Answer::Stream { headers, held: held.finish(), progress, events });
            }
        };
        // What was written and could not be held is noted as shown: nobody can go on with that.
        if failure.class != Class::Exhausted
            && let Some((broken, _)) = self.resuming
            && let Ok(interrupted) = events.take_over(&self.client_view())
        {
            broken.give_back(interrupted);
        }
        Err(failure)
    }

    /// The events of an answer. What may have to be gone on with is noted.
    fn event_stream(
        self,
        body: UpstreamBody,
        hide_usage: bool,
        headers: &mut HeaderMap,
    ) -> Result<Box<EventStream>, Failure> {
        let (framing, budget) = (self.framing(), self.context.gateway.budget.clone());
        let structured = self.resolved.facts.structured;
        let events = match (self.resuming, &self.prepared.translated) {
            (Some((broken, mode)), Some(how)) => {
                let interrupted = broken.take().ok_or_else(Failure::not_offered)?;
                let how_on = Resuming { undo: how.undo.clone(), mode, structured };
                EventStream::resumed(body, framing, interrupted, how.provider, how_on, budget)
            }
            _ => {
                let mut passage = self.passage(hide_usage, headers);
                if may_resume(self.resolved) {
                    passage = passage.recorded(self.resolved.operation);
                }
                EventStream::new(body, framing, passage, structured, budget)
            }
        };
        Ok(Box::new(events))
    }

    fn broken(self, fault: &StreamFault, mut headers: HeaderMap) -> Failure {
        let StreamFault::Error(facts) = fault else {
            let detail = format!("its stream {}", fault.describe());
            return Failure::new(fault.class(), detail);
        };
        let class = self.classify_in_band(facts);
        // What the caller is to see of it is written anew: an event is no body of an error.
        let text = self.resolved.operation.protocol.protocol().write_error(&ErrorView {
            status: StatusCode::BAD_REQUEST,
            code: told(class).code,
            message: &facts.message,
            param: None,
            request_id: &self.context.request_id,
        });
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        in_band(class, facts, headers, text)
    }

    fn classify_in_band(self, facts: &ErrorFacts) -> Class {
        classify_in_band(facts, self.upstream.model.as_deref(), &self.upstream.breaker)
    }
}

/// A failure that came without a status of its own; if it is the caller's fault, it is shown as one.
fn in_band(class: Class, facts: &ErrorFacts, headers: HeaderMap, text: Bytes) -> Failure {
    Failure {
        class,
        detail: describe(class, None, facts),
        retry_after: None,
        sent: true,
        param: None,
        passed_on: Some(Box::new((StatusCode::BAD_REQUEST, headers, text))),
    }
}

/// Says in the head what was lost on the way to the target's protocol.
pub(super) fn warn(headers: &mut HeaderMap, warnings: &[Warning]) {
    if warnings.is_empty() {
        return;
    }
    let all: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    if let Ok(value) = HeaderValue::from_str(&all.join(", ")) {
        headers.insert(names::WARNINGS, value);
    }
}

fn begins_an_object(text: &[u8]) -> bool {
    text.trim_ascii_start().first() == Some(&b'{')
}

fn uncollected(error: &CollectError) -> Failure {
    match error {
        CollectError::Broken(_) => Failure::new(Class::Failure, error.to_string()),
        CollectError::Exhausted(exhausted) => out_of_memory(*exhausted),
    }
}

/// The gateway's own lack, which says nothing of the target.
pub(super) fn out_of_memory(exhausted: Exhausted) -> Failure {
    Failure::new(Class::Exhausted, format!("its answer could not be held: {exhausted}"))
}
