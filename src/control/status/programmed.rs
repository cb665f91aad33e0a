//! Whether a route is served by every ready replica.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::api::{ConditionType, Reason};
use crate::compile::{ConditionReport, ObjectRef, ObjectReport};
use crate::control::replicas::{Absence, Serving, View};

/// How long the other replicas may take to say that they serve what is new before status says that
/// they do not: mostly all have said so a moment later, and one write does where there would be two.
/// A little more than a Lease may be late while the configuration changes all the time.
const GRACE: Duration = Duration::from_secs(3);
/// Said of a route that needs nobody's attention. Without a number: how many replicas there are changes
/// without anything having changed for the route.
const EVERYWHERE: &str = "every ready replica serves this generation";
/// Replicas that a message names before it only counts the rest.
const NAMED: usize = 3;

/// A condition's status, reason and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) status: &'static str,
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl From<&ConditionReport> for Stated {
    fn from(report: &ConditionReport) -> Self {
        let status = if report.holds { "True" } else { "False" };
        Self { status, reason: report.reason, message: report.message.clone() }
    }
}

/// What to say of a route.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This.
    Stated(Stated),
    /// This, unless that has changed after [`GRACE`].
    Perhaps(Stated),
}

/// Whether a route is served everywhere that this replica serves as `own` says. `current` is the
/// status that the API server holds.
///
/// What was `True` of a generation stays so until a replica is known not to serve it: that one could
/// not be understood for a moment, or cannot be seen, takes nothing back.
pub(super) fn verdict(
    route: &ObjectReport,
    own: &ConditionReport,
    view: &View,
    current: &Value,
) -> Verdict {
    if !own.holds {
        return Verdict::Stated(refused(own, &view.served_elsewhere(route)));
    }
    let everywhere = || Verdict::Stated(Stated { message: EVERYWHERE.to_owned(), ..own.into() });
    let was = was_programmed(current, route.generation);
    match view.serving(route) {
        Serving::Everywhere => everywhere(),
        Serving::Unreadable(_) | Serving::Waiting { certain: false, .. } if was => everywhere(),
        Serving::Unreadable(why) => Verdict::Stated(Stated {
            status: "Unknown",
            reason: Reason::ReplicasUnknown,
            message: format!("served by one replica; what the others serve cannot be seen: {why}"),
        }),
        Serving::Waiting { serve, of, absent, .. } => Verdict::Perhaps(Stated {
            status: "False",
            reason: Reason::WaitingForReplicas,
            message: waiting(serve, of, &absent),
        }),
    }
}

fn was_programmed(current: &Value, generation: i64) -> bool {
    let conditions = current["conditions"].as_array();
    conditions.into_iter().flatten().any(|one| {
        one["type"] == ConditionType::Programmed.as_str()
            && one["status"] == "True"
            && one["observedGeneration"] == generation
    })
}

/// What this replica says that cannot serve a route which `others` do: during an upgrade the newer
/// ones know more fields.
fn refused(own: &ConditionReport, others: &[Arc<str>]) -> Stated {
    let mut stated = Stated::from(own);
    if !others.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(
            stated.message,
            "; so says the replica that writes status, while {} can serve it: they are not of one \
             version, or have read different things",
            names(others)
        );
    }
    stated
}

/// Who does not serve a route, and why.
fn waiting(serve: usize, of: usize, absent: &BTreeMap<Absence, Vec<Arc<str>>>) -> String {
    let mut message = format!("served by {serve} of {of} replicas");
    for (absence, replicas) in absent {
        let names = names(replicas);
        // Writing to a String cannot fail.
        let _ = match absence {
            Absence::Refuses => write!(
                message,
                "; not by {names}, whose own log says why: another version may not know a field of it"
            ),
            Absence::Lags => write!(message, "; waiting for {names}"),
            Absence::Unclear => {
                write!(
                    message,
                    "; what {names} serves is not clear: another version may say it otherwise"
                )
            }
        };
    }
    message
}

fn names(replicas: &[Arc<str>]) -> String {
    let named = replicas[..replicas.len().min(NAMED)].join(", ");
    match replicas.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Since when which generations wait for other replicas.
#[derive(Debug, Clone, Default)]
pub(super) struct Patience(BTreeMap<ObjectRef, (i64, Instant)>);

impl Patience {
    /// Until when to wait with `Perhaps` for that object; `None` if that is over.
    pub(super) fn until(&mut self, route: &ObjectReport, now: Instant) -> Option<Instant> {
        let new = (route.generation, now);
        let since = self.0.entry(route.object.clone()).or_insert(new);
        if since.0 != route.generation {
            *since = new;
        }
        Some(since.1 + GRACE).filter(|until| *until > now)
    }

    /// Nobody is waited for any more.
    pub(super) fn end(&mut self, route: &ObjectRef) {
        self.0.remove(route);
    }

    /// Forgets objects that are gone.
    pub(super) fn retain(&mut self, objects: &[ObjectReport]) {
        if self.0.is_empty() {
            return;
        }
        // Reports are sorted.
        self.0.retain(|known, _| objects.binary_search_by(|one| one.object.cmp(known)).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_a_few_replicas() {
        let lagging = |count| {
            let names = (0..count).map(|n| format!("p{n}").into()).collect();
            BTreeMap::from([(Absence::Lags, names)])
        };
        assert_eq!(waiting(2, 3, &lagging(1)), "served by 2 of 3 replicas; waiting for p0");
        assert_eq!(
            waiting(45, 50, &lagging(5)),
            "served by 45 of 50 replicas; waiting for p0, p1, p2 and 2 more"
        );
    }

    #[test]
    fn a_message_says_why_each_replica_does_not_serve() {
        let mut absent = BTreeMap::from([(Absence::Lags, vec!["slow".into()])]);
        absent.insert(Absence::Refuses, vec!["old".into(), "older".into()]);
        absent.insert(Absence::Unclear, vec!["other".into()]);
        assert_eq!(
            waiting(1, 5, &absent),
            "served by 1 of 5 replicas; not by old, older, whose own log says why: another version \
             may not know a field of it; waiting for slow; what other serves is not clear: another \
             version may say it otherwise"
        );
    }

    #[test]
    fn each_generation_is_waited_for_anew() {
        let mut patience = Patience::default();
        let now = Instant::now();
        let mut route = super::super::render::tests::report();
        assert_eq!(patience.until(&route, now), Some(now + GRACE));
        assert_eq!(patience.until(&route, now + GRACE), None);
        route.generation += 1;
        assert_eq!(patience.until(&route, now + GRACE), Some(now + 2 * GRACE));
        patience.retain(&[]);
        assert!(patience.0.is_empty());
    }
}
