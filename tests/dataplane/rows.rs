//! What a caller sees of whatever the first target of a route does: two targets, nothing else
//! configured, OpenAI's callers and Anthropic's, streams and plain replies. Limits that are long by
//! default are scaled by the route's own fields; the defaults themselves are met in `long_limits`.

#[path = "rows/after_output.rs"]
mod after_output;
#[path = "rows/before_output.rs"]
mod before_output;
#[path = "rows/callers_fault.rs"]
mod callers_fault;
#[path = "rows/long_limits.rs"]
mod long_limits;
#[path = "rows/mistakes.rs"]
mod mistakes;
#[path = "rows/nobody.rs"]
mod nobody;

use std::time::Instant;

use http::StatusCode;
use pilothouse::simulate::Simulator;
use pilothouse::state::{BreakerPolicy, Phase};
use serde_json::Value;

use crate::answer::Answer;
use crate::pairs::cases::HELLO;
use crate::pairs::chat::Chat;
use crate::pairs::client::{Client, Finish, View, events};
use crate::pairs::messages::Messages;
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::Rig;

/// Who asks, and how.
#[derive(Clone, Copy)]
pub struct Caller {
    pub api: Api,
    pub client: &'static dyn Client,
    pub stream: bool,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} stream={}", self.api, self.stream)
    }
}

pub const CALLERS: [Caller; 4] = [
    Caller { api: Api::Chat, client: &Chat, stream: false },
    Caller { api: Api::Chat, client: &Chat, stream: true },
    Caller { api: Api::Messages, client: &Messages, stream: false },
    Caller { api: Api::Messages, client: &Messages, stream: true },
];

pub fn streaming() -> impl Iterator<Item = Caller> {
    CALLERS.into_iter().filter(|caller| caller.stream)
}

/// Times at which a test is not patient enough to wait for the defaults.
pub const SHORT: &str =
    "  timeouts: {firstToken: 150ms, response: 150ms, idle: 150ms, thinkingIdle: 1h}\n";

/// The answer to hello of a simulator of that name.
pub fn whole(name: &str) -> String {
    format!(
        "You said: \"hello\". This answer comes from a simulated provider and was not written by a \
         model. It says the same words every time so that a test can compare them. Served by \
         {name}."
    )
}

/// A caller before a route `chat` with two targets, of which the first is asked for the model `sick`
/// and the second for `well`.
pub struct Pair {
    pub caller: Caller,
    pub alpha: Simulator,
    pub bravo: Simulator,
    pub rig: Rig,
}

impl Pair {
    /// The first target does as told; the other is well.
    pub async fn new(caller: Caller, alpha_does: &str, extra: &str) -> Self {
        Self::named(caller, ["alpha", "bravo"], alpha_does, extra).await
    }

    /// Two targets that say the same.
    pub async fn of_equals(caller: Caller, alpha_does: &str, extra: &str) -> Self {
        Self::named(caller, ["sim", "sim"], alpha_does, extra).await
    }

    async fn named(caller: Caller, names: [&str; 2], alpha_does: &str, extra: &str) -> Self {
        let [one, two] = names;
        let (alpha, bravo) = tokio::join!(simulator(one), simulator(two));
        alpha.set_fault(fault(alpha_does));
        let targets = [
            caller.api.target("alpha", &alpha.url(), "model: sick"),
            caller.api.target("bravo", &bravo.url(), "model: well, priority: 1"),
        ];
        let rig = Rig::start(&route_of("chat", &targets, extra)).await;
        Self { caller, alpha, bravo, rig }
    }

    pub fn body(&self) -> String {
        self.caller.client.body(&HELLO.streamed(self.caller.stream), "chat").to_string()
    }

    pub async fn ask(&self) -> Answer {
        self.rig.post(self.caller.api.path(), self.body()).await
    }

    /// How often each target was asked.
    pub fn tries(&self) -> (u64, u64) {
        (self.alpha.count(), self.bravo.count())
    }

    /// The breaker of the first target, as it is by default.
    pub fn alphas_breaker(&self) -> Phase {
        let policy = BreakerPolicy::built_in();
        self.rig.target("sick").breaker.status(&policy, Instant::now()).phase()
    }

    /// The answer of that target is whole, says who gave it, and was that many tries' work.
    pub fn assert_answered(&self, answer: &Answer, by: &str, attempts: u32) {
        let what = format!("{:?}", self.caller);
        let view = self.view(answer);
        assert_eq!(view.text, whole(by), "{what}: {answer:?}");
        assert_eq!(answer.target(), by, "{what}");
        let fallback = if by == "alpha" { "false" } else { "true" };
        assert_eq!(answer.header("x-used-fallback"), fallback, "{what}: who answered");
        assert_eq!(answer.header("x-pilothouse-attempts"), attempts.to_string(), "{what}");
        assert_eq!(answer.header("x-pilothouse-route"), "ns/chat", "{what}");
        assert_eq!(answer.header("x-circuit-breaker-state"), "closed", "{what}: of who answered");
        assert_eq!(answer.header("retry-after"), "", "{what}: an answer asks for no patience");
        let model = if by == "alpha" { "sick" } else { "well" };
        let other = if by == "alpha" { "well" } else { "sick" };
        assert!(answer.text().contains(&format!("\"model\":\"{model}\"")), "{what}: {answer:?}");
        assert!(!answer.text().contains(other), "{what}: {answer:?}");
    }

    /// The answer is whole, its end true.
    pub fn view(&self, answer: &Answer) -> View {
        let Caller { client, stream, .. } = self.caller;
        assert_eq!(answer.status, StatusCode::OK, "{:?}: {answer:?}", self.caller);
        assert!(!answer.cut, "{:?}: {answer:?}", self.caller);
        let whole = if stream { client.assemble(&events(answer)) } else { answer.json() };
        let view = client.read(&whole);
        assert_eq!(view.finish, Finish::Stop, "{whole}");
        assert!(view.input > 0 && view.output > 0, "it was counted: {whole}");
        view
    }

    /// An error of that status in the caller's protocol; gives its message.
    pub fn assert_error(&self, answer: &Answer, status: u16) -> String {
        assert_eq!(answer.status.as_u16(), status, "{:?}: {answer:?}", self.caller);
        self.caller.client.error(answer)
    }

    /// The stream ended with an error in it and no end marker; what had come is in place.
    pub fn assert_broken(&self, answer: &Answer) -> (String, String) {
        assert_eq!(answer.status, StatusCode::OK, "{:?}: {answer:?}", self.caller);
        assert!(!answer.cut, "{:?}: {answer:?}", self.caller);
        self.caller.client.broken(&events(answer))
    }

    /// The line of the log that the only request left behind.
    pub async fn log(&self) -> Value {
        self.rig.log_lines(1).await.remove(0)
    }

    /// Nothing is under way, here or there.
    pub async fn settled(&self) {
        self.rig.settled().await;
        for simulator in [&self.alpha, &self.bravo] {
            simulator.wait_for(|now| now.in_flight == 0).await.unwrap();
        }
        let drawn: u32 =
            self.rig.state.targets().iter().map(|target| target.retry_budget.drawn()).sum();
        assert_eq!(drawn, 0, "no repeat is under way");
    }
}
