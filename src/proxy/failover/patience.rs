//! How long one try is waited for, before another target is asked or it is given up.

use std::time::{Duration, Instant};

use crate::proxy::attempt::Limits;
use crate::proxy::deadline::Deadline;
use crate::proxy::resolve::Resolved;
use crate::table::{Hedging, Upstream};

/// When a try is given up. A stream that is slow to begin is not: another target is asked as well. One
/// that is to go on with another (`resumes`) is, since there is one stream to go on with.
pub(super) fn limits(
    resolved: &Resolved,
    upstream: &Upstream,
    deadline: Deadline,
    resumes: bool,
    now: Instant,
) -> Limits {
    let own = if resumes {
        Some((upstream.first_token_limit(resolved.facts.reasons), "timeouts.firstToken"))
    } else if resolved.streams() {
        None
    } else {
        Some((upstream.response_limit(), "timeouts.response"))
    };
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
            late: resolved.streams().then(|| upstream.first_token_limit(resolved.facts.reasons)),
        }
    }

    /// The sooner of the two.
    pub fn next(self) -> Option<Duration> {
        [self.hedge, self.late].into_iter().flatten().min()
    }
}
