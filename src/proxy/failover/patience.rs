//! How long one try is waited for, before another target is asked or it is given up.

use std::time::{Duration, Instant};

use crate::proxy::attempt::Limits;
use crate::proxy::deadline::Deadline;
use crate::proxy::resolve::Resolved;
use crate::table::{Hedging, Upstream};

/// The bounds of a limit that nobody set. A first token takes some seconds at busy providers and
/// well under a minute at slow models; a whole reply that takes ten minutes is what official SDKs
/// wait for at most.
const FIRST_TOKEN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
const RESPONSE: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(600));

/// How long the first output of a stream may take here.
pub(super) fn first_token(resolved: &Resolved, upstream: &Upstream) -> Duration {
    let (floor, ceiling) = FIRST_TOKEN;
    upstream.timeouts.first_token.unwrap_or_else(|| {
        // Reasoning may take as long and show nothing.
        let floor = if resolved.facts.reasons { ceiling } else { floor };
        upstream.state.usual_first_token.limit(floor, ceiling)
    })
}

/// When a try is given up. A stream that is slow to begin is not: another target is asked as well. One
/// that is to go on with another (`goes_on`) is, since there is one stream to go on with.
pub(super) fn limits(
    resolved: &Resolved,
    upstream: &Upstream,
    deadline: Deadline,
    goes_on: bool,
) -> Limits {
    let own = if goes_on {
        Some((first_token(resolved, upstream), "timeouts.firstToken"))
    } else if resolved.streams() {
        None
    } else {
        let (floor, ceiling) = RESPONSE;
        let usual = || upstream.state.usual_reply.limit(floor, ceiling);
        Some((upstream.timeouts.response.unwrap_or_else(usual), "timeouts.response"))
    };
    let now = Instant::now();
    match own {
        Some((own, name)) if now + own < deadline.at => {
            Limits { give_up: (now + own).into(), name }
        }
        _ => Limits { give_up: deadline.at.into(), name: deadline.name },
    }
}

/// After how long without output the next target is asked as well.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Company {
    /// Because the route wants to be sure: only while the retry budget lasts.
    pub hedge: Option<Duration>,
    /// Because this one is late: with the budget used up it is given up for the next.
    pub late: Option<Duration>,
}

impl Company {
    pub fn of(resolved: &Resolved, upstream: &Upstream) -> Self {
        let usual = if resolved.streams() {
            &upstream.state.usual_first_token
        } else {
            &upstream.state.usual_reply
        };
        let hedging = resolved.route.hedging.filter(|_| resolved.may_repeat());
        Self {
            hedge: hedging.and_then(|hedging| match hedging {
                Hedging::After(delay) => Some(delay),
                Hedging::Percentile(percent) => usual.quantile(percent),
            }),
            late: resolved.streams().then(|| first_token(resolved, upstream)),
        }
    }

    /// The sooner of the two.
    pub fn next(self) -> Option<Duration> {
        [self.hedge, self.late].into_iter().flatten().min()
    }
}
