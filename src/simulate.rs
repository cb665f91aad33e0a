//! Simulated providers: real HTTP servers that speak the APIs of OpenAI, Anthropic, Google and Amazon
//! Bedrock, at their own doors or at those of clouds.
//!
//! They are behind `pilothouse demo`, `pilothouse simulate`, the tests and the benchmarks: HTTP/1.1
//! and cleartext HTTP/2 with prior knowledge, every event of a stream flushed alone. They keep to
//! the vendors' formats closely enough for the official SDKs, and know nothing of the gateway.
//!
//! # What they answer
//!
//! Always the same to the same request, but for ids (which name the simulator and count its
//! requests) and times. The text repeats what the user said last, goes on with fixed sentences and
//! ends in `Served by NAME.`; a prompt that ends in an assistant's message is continued, so that a
//! second simulator can finish what a first one began. So is an assistant's message that the user
//! wants to be gone on with, in the words of [`crate::protocol::continuation`]: the last words of it
//! that the wish ends with come first. What differs from the simulator's own text, as its signature
//! does, it cannot go on with, and begins anew.
//!
//! **Tokens** are runs of characters up to and including a space, at most 16 characters, so about
//! one a word. A stream carries one in each event. Prompts count their texts, 4 for each message,
//! their tool declarations as JSON, and 85 for each image.
//!
//! **Tools** are called when `tool_choice` forces it, when the user says the name of one, or
//! `tool` (the first is taken). `parallel` in what the user says calls all of them at once (an only
//! one twice) unless the request forbids that. Arguments are the plainest value of the tool's
//! schema. After a tool's result comes text. Tests may fix the calls beforehand
//! ([`Builder::call`]).
//!
//! **Structured output** is the plainest value of the schema. **Reasoning** comes where the request
//! asks for it; in chat completions, where OpenAI shows none, only by `reasoning=N`. Google's
//! endpoints know the generation of a model by its name (`gemini-2.5…`, `gemini-3…`). Any model name
//! is answered; `GET /v1/models` lists a few. `GET /health` wants no key and says that all is well,
//! `GET /metrics` says in vLLM's words how many requests run and wait ([`Builder::slots`]).
//!
//! # Faults
//!
//! A fault is chosen for one request by the header `x-simulate: FAULT` or after a `;` in the model
//! name (`gpt-sim;status=429;retry-after=2`, encoded where the name is part of a path), or stands for all requests that bring none
//! ([`Simulator::set_fault`]). Keys and signatures are checked first; otherwise a fault comes before anything the
//! endpoint itself would complain of. Options are separated by `;`:
//!
//! | option | effect |
//! |---|---|
//! | `status=CODE` | an error of this status (300 to 599) in the protocol's shape |
//! | `code=TEXT` `type=TEXT` `message=TEXT` | what that error says (also of `error=N`) |
//! | `retry-after=SECONDS` (or a date), `retry-after-ms=MS`, `should-retry=BOOL` | these headers |
//! | `header=NAME:VALUE`, `content-type=TEXT` | any header, in place of the usual value |
//! | `reset`, `close` | the connection breaks before the headers |
//! | `silent` | the request is read and never answered |
//! | `body=empty`, `body=html` | the body is empty, or a load balancer's page |
//! | `delay=TIME` | before the headers |
//! | `first=TIME` | between the headers and the first event |
//! | `pace=TIME` | between two events |
//! | `cut=N` | after N events the connection closes; `cut=N:reset` resets it, `cut=N:end` ends the body properly but early |
//! | `stall=N` | after N events nothing more comes, and the connection stays open |
//! | `drip`, `drip=BYTES` | pieces of one byte (or so many), each flushed alone |
//! | `garbage=N` | after N events comes one that is no JSON; the rest follows |
//! | `error=N` | after N events comes an error event, and the stream ends |
//! | `huge`, `huge=BYTES` | after the first event comes a legal one of 1 MiB (or so many bytes) without content |
//! | `no-end` | the end marker is missing (`[DONE]`, `message_stop`, `response.completed`; the last event of Google's; `messageStop` and all after it) |
//! | `times=N` | only the first N requests with this model and fault suffer |
//! | `words=N` | the text has exactly N tokens |
//! | `reasoning=N` | reasoning of N tokens comes first |
//! | `goes-on=truly` | an answer that was begun elsewhere is gone on with as asked (the default) |
//! | `goes-on=restart` | ... from the beginning, word for word |
//! | `goes-on=paraphrase` | ... in other words, as all answers are then |
//! | `goes-on=repeat` | ... after its last sentence was repeated |
//! | `goes-on=courtesy` | ... after `Sure, here is the rest:` |
//! | `goes-on=mid-word` | ... exactly where it stopped, in the middle of a word if it did so there, and without the words that it was asked to repeat |
//! | `goes-on=refuse` | ... not at all, with a 400 |
//!
//! Only `restart` and `refuse` say anything of a prefill: whoever goes on with words that were put
//! into its mouth has no wish to misunderstand.
//!
//! `TIME` is `250ms`, `2s` or `1m`. N counts from 0; events 0 and 1 of a stream of chat are the
//! role and the first text, those of an Anthropic stream `message_start` and `content_block_start`,
//! then come `ping` and the text; those of a Bedrock stream `messageStart` and the first text. A plain body counts as one event: `cut=0` breaks off before it,
//! `cut=1` in its middle. What lies beyond the last event
//! happens after it. On HTTP/2 a break resets the stream, not the connection that others share.

mod answer;
mod anthropic;
mod bedrock;
mod builder;
mod cloud;
mod command;
mod content;
mod delivery;
mod endpoint;
mod exchange;
mod fault;
mod frames;
mod gemini;
mod instance;
mod load;
mod observe;
mod openai;
mod plan;
mod playback;
mod prompt;
mod provider;
mod reply;
mod server;
mod socket;
mod tokens;
mod vector;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use self::provider::Provider;
pub use self::{
    bedrock::signature::{AccessKey, Unsigned, check_signature},
    builder::Builder,
    command::{SimulateArgs, SimulateError, StandingFault, run},
    fault::{Cut, Ending, Fault, FaultSyntax, GoesOn, Mute, Replacement},
    observe::{Captured, Snapshot, WaitedInVain},
};

/// How long [`Simulator::wait_for`] waits: far longer than any loopback exchange on a busy
/// machine, short enough to be reported before a test runner gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which API a simulated provider speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Flavor {
    /// Chat completions, completions, embeddings, responses, models.
    #[value(name = "openai")]
    OpenAi,
    /// Messages, token counts, models.
    Anthropic,
    /// Azure OpenAI and Foundry: OpenAI's API by its v1 form, by a dated one and in projects, and
    /// Claude.
    Azure,
    /// Bedrock's Converse, and Claude by `invoke` and at Mantle's paths.
    Bedrock,
    /// generateContent, token counts, models; as the Gemini API and as Vertex AI.
    Gemini,
    /// Vertex AI: generateContent, Claude by `rawPredict`, and its OpenAI-compatible endpoint.
    Vertex,
    /// All of them; `GET /v1/models` has Anthropic's shape when `anthropic-version` is sent.
    #[default]
    Both,
}

/// A running simulated provider. Dropping it ends it and all its connections at once.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    provider: Arc<Provider>,
    serving: JoinHandle<()>,
}

impl Simulator {
    /// A healthy provider called `sim` that speaks all APIs on a free port of 127.0.0.1 and takes
    /// any key, to be changed.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The origin, without a slash at the end: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The address that is listened on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The last requests, oldest first; see [`Builder::kept_requests`].
    pub fn requests(&self) -> Vec<Captured> {
        self.provider.ledger.requests()
    }

    /// All counters at one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.provider.ledger.snapshot()
    }

    /// Requests that were read to the end of their body.
    pub fn count(&self) -> u64 {
        self.snapshot().requests
    }

    /// Exchanges going on now.
    pub fn in_flight(&self) -> u64 {
        self.snapshot().in_flight
    }

    /// Exchanges whose client went away before the end.
    pub fn cancelled(&self) -> u64 {
        self.snapshot().cancelled
    }

    /// Waits until the counters meet a condition.
    ///
    /// # Errors
    ///
    /// When they do not within 20 seconds.
    pub async fn wait_for(
        &self,
        met: impl FnMut(&Snapshot) -> bool,
    ) -> Result<Snapshot, WaitedInVain> {
        self.provider.ledger.wait_for(PATIENCE, met).await
    }

    /// From now on Bedrock's endpoints take signatures of these access keys and of no others.
    pub fn set_access_keys(&self, keys: impl IntoIterator<Item = AccessKey>) {
        self.provider.set_access_keys(keys.into_iter().collect());
    }

    /// From now on requests that bring no fault suffer this one; its `times` counts anew.
    pub fn set_fault(&self, fault: Fault) {
        self.provider.set_fault(fault);
    }

    /// From now on `GET /health` suffers this fault, which nothing else does; it takes no part in
    /// those of [`Self::set_fault`].
    pub fn set_health_fault(&self, fault: Fault) {
        self.provider.set_health_fault(fault);
    }

    /// From now on so many requests more wait, by what `GET /metrics` says: those of others.
    pub fn set_waiting(&self, waiting: u32) {
        self.provider.load.set_waiting(waiting);
    }

    /// From now on `GET /metrics` suffers this fault, as [`Self::set_health_fault`] has it.
    pub fn set_metrics_fault(&self, fault: Fault) {
        self.provider.load.set_fault(fault);
    }

    /// Stops listening, breaks off what stalls, lets other answers finish for up to 5 seconds.
    pub async fn stop(mut self) {
        self.provider.stopping.cancel();
        // An error would mean that it ended before; either way it has ended.
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.provider.stopping.cancel();
        self.serving.abort();
    }
}

#[cfg(test)]
mod tests;
