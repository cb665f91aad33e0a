//! How a simulated provider is set up.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use super::{AccessKey, Fault, Flavor, Simulator, provider::Provider, reply::Call, server};

/// Requests that are kept for [`Simulator::requests`] unless told otherwise.
const KEPT_REQUESTS: usize = 1024;

/// Longest name: tool call ids, which carry it, may have 40 characters at OpenAI.
const LONGEST_NAME: usize = 20;

/// The models that `GET /v1/models` lists unless told otherwise.
const MODELS: [&str; 4] = ["gpt-sim", "gpt-sim-mini", "claude-sim", "text-embedding-sim"];

/// How a [`Simulator`] is to be.
#[derive(Debug)]
pub struct Builder {
    pub(super) flavor: Flavor,
    pub(super) name: String,
    pub(super) fault: Fault,
    pub(super) keys: Vec<SecretString>,
    pub(super) access_keys: Vec<AccessKey>,
    pub(super) clock_ahead: Duration,
    pub(super) models: Vec<String>,
    pub(super) calls: Vec<Call>,
    addr: SocketAddr,
    pub(super) latency: Duration,
    pub(super) slots: Option<u32>,
    pub(super) kept_requests: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            flavor: Flavor::default(),
            name: "sim".to_owned(),
            fault: Fault::default(),
            keys: Vec::new(),
            access_keys: Vec::new(),
            clock_ahead: Duration::ZERO,
            models: MODELS.map(str::to_owned).to_vec(),
            calls: Vec::new(),
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            latency: Duration::ZERO,
            slots: None,
            kept_requests: KEPT_REQUESTS,
        }
    }
}

impl Builder {
    /// Which API it speaks.
    #[must_use]
    pub fn provider(mut self, flavor: Flavor) -> Self {
        self.flavor = flavor;
        self
    }

    /// What it calls itself in ids, texts and the header `x-simulator`: 1 to 20 letters, digits
    /// and hyphens.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The fault of requests that bring none.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// Wait before the headers of every answer, unless its fault has a delay of its own.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// How many requests `GET /metrics` says are running at most: the rest of those that it answers
    /// it says are waiting.
    #[must_use]
    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = Some(slots);
        self
    }

    /// The keys that are accepted; none = everything is.
    #[must_use]
    pub fn keys(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.keys = keys.into_iter().map(|key| SecretString::from(key.into())).collect();
        self
    }

    /// The access keys that Bedrock's endpoints take signatures of, beside [`Builder::keys`]. With
    /// neither, everything is accepted.
    #[must_use]
    pub fn access_keys(mut self, keys: impl IntoIterator<Item = AccessKey>) -> Self {
        self.access_keys = keys.into_iter().collect();
        self
    }

    /// By how much the clock that signatures are held against is ahead of this machine's.
    #[must_use]
    pub fn clock_ahead(mut self, ahead: Duration) -> Self {
        self.clock_ahead = ahead;
        self
    }

    /// The models that `GET /v1/models` lists.
    #[must_use]
    pub fn models(mut self, models: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.models = models.into_iter().map(Into::into).collect();
        self
    }

    /// The next call to make. With it, users cannot have tools called by what they say: the calls
    /// are made in the order they are given here, each once, in answer to the first request that
    /// offers the next one's tool. All other answers are texts.
    #[must_use]
    pub fn call(mut self, tool: impl Into<String>, arguments: &serde_json::Value) -> Self {
        self.calls.push(Call { name: tool.into(), arguments: arguments.to_string() });
        self
    }

    /// Where it listens; port 0 takes a free one.
    #[must_use]
    pub fn bind(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// How many requests are kept to be looked into; 0 for benchmarks.
    #[must_use]
    pub fn kept_requests(mut self, count: usize) -> Self {
        self.kept_requests = count;
        self
    }

    /// Starts it on the current runtime.
    ///
    /// # Errors
    ///
    /// When the name is not legal or the address cannot be listened on.
    pub async fn start(self) -> io::Result<Simulator> {
        let legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        if !(1..=LONGEST_NAME).contains(&self.name.len()) || !self.name.chars().all(legal) {
            let message = format!(
                "the name `{}` of a simulated provider needs 1 to {LONGEST_NAME} letters, digits \
                 and hyphens",
                self.name
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let (listener, addr) = server::listen(self.addr).await?;
        let provider = Arc::new(Provider::new(self));
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&provider)));
        Ok(Simulator { addr, provider, serving })
    }
}
