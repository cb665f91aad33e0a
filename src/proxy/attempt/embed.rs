//! Embeddings from a provider that takes fewer texts at a time than the client sends: several calls,
//! one answer. They are one try: the first that fails ends it, and the others with it.

use bytes::Bytes;
use futures::stream::{FuturesOrdered, StreamExt as _};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::gather::counted;
use super::read::{HELD_TRANSLATED, out_of_memory, warn};
use super::{Answer, Attempt, Failure};
use crate::protocol::embeddings::{AnswerWriter, Call};
use crate::protocol::usage::Usage;
use crate::proxy::classify::Class;
use crate::proxy::headers::{self, names};
use crate::proxy::prepare::Embeddings;

/// How many calls of one request run at once: enough that a batch does not take a round trip for
/// each text, few enough that one caller does not use up the provider's limit for all.
const AT_ONCE: usize = 8;

impl Attempt<'_> {
    /// Embeds all texts. Dropping the future ends all calls that run.
    pub(super) async fn embed(self, embeddings: &Embeddings) -> Result<Answer, Failure> {
        let Embeddings { api, plan, base64 } = embeddings;
        let (mut waiting, mut running) = (plan.calls.iter(), FuturesOrdered::new());
        running.extend(waiting.by_ref().take(AT_ONCE).map(|call| self.call(call)));
        let mut writer = AnswerWriter::new(*base64);
        let mut reservation = self.context.gateway.budget.reserve(0).map_err(out_of_memory)?;
        let (mut tokens, mut head) = (Some(0_u64), HeaderMap::new());
        let mut asked = plan.calls.iter();
        while let (Some(answer), Some(call)) = (running.next().await, asked.next()) {
            let (headers, body) = answer?;
            running.extend(waiting.next().map(|call| self.call(call)));
            let embedded =
                api.api().read(&headers, &body).map_err(|_| Failure::of_another_protocol())?;
            if embedded.vectors.len() != call.count {
                let detail = format!(
                    "sent {} vectors where {} were asked for",
                    embedded.vectors.len(),
                    call.count
                );
                return Err(Failure::new(Class::Failure, detail));
            }
            for vector in embedded.vectors {
                writer.push(vector).map_err(|_| Failure::of_another_protocol())?;
            }
            reservation.grow_to(writer.len()).map_err(out_of_memory)?;
            tokens = tokens.zip(embedded.tokens).map(|(sum, more)| sum.saturating_add(more));
            head = headers;
        }
        let mut headers = headers::from_target(&head);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        warn(&mut headers, &self.prepared.warnings);
        if tokens.is_none() {
            headers.insert(names::ESTIMATED, HeaderValue::from_static("true"));
        }
        let told = tokens.unwrap_or(plan.estimated_tokens);
        let model = self.upstream.model_for(&self.resolved.model);
        let body = writer.finish(&model, told);
        Ok(Answer::Reply {
            status: StatusCode::OK,
            headers,
            body: counted(body, reservation),
            // What was not counted is told the client, and nobody is charged for it.
            usage: Usage { input: tokens, ..Usage::default() },
        })
    }

    async fn call(self, call: &Call) -> Result<(HeaderMap, Bytes), Failure> {
        let request = self.request_to(&call.path, false, call.body.clone(), &[])?;
        self.ask_whole(request, HELD_TRANSLATED).await
    }
}
