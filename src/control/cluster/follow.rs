//! Drives one kube watch for ever: back-off after failures, relist when a watch will not resume,
//! a limit on lists that hang.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use kube::runtime::watcher::{self, Config, Event};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::lists::Lists;
use crate::control::SourceFailure;
use crate::control::connect::describe;
use crate::control::inventory::Inventory;

/// The wait after the first failure: an API server that closed a connection is usually back at once.
const BACKOFF_BASE: Duration = Duration::from_millis(250);
/// The longest wait while nobody answers. A refused connection costs nobody anything, and an API
/// server that returns should be followed again within seconds.
const UNREACHABLE_MAX: Duration = Duration::from_secs(2);
/// The longest wait while the API server answers with an error: it may be overloaded, and a few
/// hundred watches of a few replicas must not hold it down.
const REFUSED_MAX: Duration = Duration::from_secs(10);
/// What an API server that throttles asks for in `Retry-After`, which kube does not pass on: one second
/// (priority and fairness, `429 Too Many Requests`).
const THROTTLED_MIN: Duration = Duration::from_secs(1);
/// A list page that takes longer hangs: the API server's own limit for a list is 60 s.
const LIST_LIMIT: Duration = Duration::from_secs(70);
/// After so many refusals in a row the watch starts again with a list. An API
/// server restored from a backup refuses to resume at a version that it does not have yet, and
/// would refuse for ever.
const REFUSALS_BEFORE_RELIST: u32 = 10;
/// A failure this long after the last one is a new trouble: watches are quiet while nothing
/// changes, so there may have been no event in between to show that all was well. Longer than it
/// takes kube to give up connecting (30 s).
const TROUBLE_OVER: Duration = Duration::from_secs(40);

/// What a watch tells its listener.
pub(in crate::control) enum Watched<K> {
    /// A list begins: what follows up to `Listed` replaces everything known.
    Listing,
    /// One object of the list.
    Listed(K),
    /// The list is complete.
    ListEnd,
    /// An object is new or changed.
    Applied(K),
    /// An object is gone.
    Deleted(K),
    /// The API server could not be asked, or said no. The watch goes on trying.
    Failed(watcher::Error),
}

/// Follows `api` until the future is dropped. Each list waits for its turn.
///
/// Lists come in pages of 500 from the newest state (kube's defaults), so that nobody has a large answer
/// to hold.
pub(in crate::control) async fn follow<K>(
    api: Api<K>,
    config: Config,
    source: &Arc<str>,
    inventory: &Inventory,
    lists: &Lists,
    mut listener: impl FnMut(Watched<K>),
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut trouble = Trouble::default();
    loop {
        let mut events = pin!(watcher::watcher(api.clone(), config.clone()));
        let mut listing = true;
        let mut turn = None;
        loop {
            let limit = match (listing, trouble.failures) {
                (true, _) => LIST_LIMIT,
                (false, 0) => Duration::MAX,
                (false, _) => TROUBLE_OVER,
            };
            let Ok(next) = tokio::time::timeout(limit, events.next()).await else {
                if listing {
                    let error = "the list took too long".to_owned();
                    note_failure(inventory, source, error, 1, true);
                    drop(turn.take());
                    tokio::time::sleep(jittered(REFUSED_MAX)).await;
                    break;
                }
                // No event and no error for so long: the watch stands, and nothing changes.
                note_answer(inventory, source, &mut trouble);
                continue;
            };
            let Some(next) = next else { break };
            if let Ok(Event::Init | Event::InitDone) = next {
                listing = matches!(next, Ok(Event::Init));
            }
            // Nobody is kept from listing by one who waits to try again.
            if matches!(next, Ok(Event::Init | Event::InitDone) | Err(_)) {
                drop(turn.take());
            }
            // Outside of the limit: to wait for a turn is no list that hangs.
            if matches!(next, Ok(Event::Init)) {
                turn = Some(lists.turn().await);
            }
            match next {
                Ok(event) => {
                    // `Init` is only the intention to list; everything else is an answer.
                    if !matches!(event, Event::Init) {
                        note_answer(inventory, source, &mut trouble);
                    }
                    if matches!(event, Event::InitDone) {
                        inventory.note_health(source, |health| health.lists += 1);
                    }
                    listener(event.into());
                }
                Err(error) => {
                    let wait = trouble.failed(Instant::now(), status_code(&error));
                    let (in_a_row, news) = (trouble.failures, trouble.is_news());
                    note_failure(inventory, source, explain(&error), in_a_row, news);
                    listener(Watched::Failed(error));
                    // What may be listed and not watched was given up for that perhaps, and only a
                    // list brings it back: one every few seconds.
                    if !listing && trouble.status == Some(403) {
                        tokio::time::sleep(jittered(REFUSED_MAX)).await;
                        break;
                    }
                    tokio::time::sleep(wait).await;
                    if trouble.status.is_some()
                        && trouble.step.is_multiple_of(REFUSALS_BEFORE_RELIST)
                    {
                        break;
                    }
                }
            }
        }
    }
}

impl<K> From<Event<K>> for Watched<K> {
    fn from(event: Event<K>) -> Self {
        match event {
            Event::Init => Self::Listing,
            Event::InitApply(object) => Self::Listed(object),
            Event::InitDone => Self::ListEnd,
            Event::Apply(object) => Self::Applied(object),
            Event::Delete(object) => Self::Deleted(object),
        }
    }
}

/// Failures in a row, and how long to wait after each.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    /// The failures of the present sort: an API server that begins to answer, be it with errors,
    /// is about to be well, and the long waits for one that is away no longer fit.
    step: u32,
    /// How the API server refused; `None` if nobody answered.
    status: Option<u16>,
    /// How many of the last failures had that status.
    alike: u32,
    last: Option<Instant>,
}

impl Trouble {
    /// Counts a failure; the wait before the next try. `status`: the API server's, if it answered.
    fn failed(&mut self, now: Instant, status: Option<u16>) -> Duration {
        if self.last.is_some_and(|last| now.duration_since(last) > TROUBLE_OVER) {
            self.failures = 0;
        }
        if self.failures == 0 || self.status.is_some() != status.is_some() {
            self.step = 0;
        }
        if self.failures == 0 || self.status != status {
            self.alike = 0;
        }
        (self.last, self.status) = (Some(now), status);
        let doubled = BACKOFF_BASE.saturating_mul(1 << self.step.min(10));
        self.failures += 1;
        self.step += 1;
        self.alike += 1;
        let longest = if status.is_some() { REFUSED_MAX } else { UNREACHABLE_MAX };
        let wait = jittered(doubled.min(longest));
        if status == Some(429) { wait.max(THROTTLED_MIN) } else { wait }
    }

    /// Whether the last failure says something that the one before it did not: an API server that
    /// comes back may then refuse for want of a definition or a role, which somebody has to hear.
    fn is_news(&self) -> bool {
        self.alike == 1
    }

    /// An answer came; whether there had been failures.
    fn over(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }
}

/// Between half and all of it, so that the watches of many replicas do not return in step.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn note_answer(inventory: &Inventory, source: &Arc<str>, trouble: &mut Trouble) {
    if trouble.over() {
        inventory.note_health(source, |health| health.failures_in_a_row = 0);
        tracing::info!(source = &**source, "the API server answers again");
    }
}

pub(super) fn note_failure(
    inventory: &Inventory,
    source: &Arc<str>,
    error: String,
    in_a_row: u32,
    news: bool,
) {
    // More of the same would only fill the log while the API server is away.
    if news {
        tracing::warn!(
            source = &**source,
            error,
            "cannot follow the API server; the last known state is kept"
        );
    } else {
        tracing::debug!(source = &**source, error, in_a_row, "cannot follow the API server");
    }
    inventory.note_health(source, |health| {
        health.failures += 1;
        health.failures_in_a_row = in_a_row;
        health.last_failure = Some(SourceFailure { at: SystemTime::now(), error: error.into() });
    });
}

/// What failed, and what to do about it where that is known.
pub(in crate::control) fn explain(error: &watcher::Error) -> String {
    let what = match error {
        watcher::Error::InitialListFailed(error) => format!("cannot list: {}", describe(error)),
        watcher::Error::WatchStartFailed(error) => format!("cannot watch: {}", describe(error)),
        watcher::Error::WatchFailed(error) => format!("the watch broke: {}", describe(error)),
        watcher::Error::WatchError(status) => format!("the watch was ended: {}", status.message),
        watcher::Error::NoResourceVersion => error.to_string(),
    };
    match status_code(error) {
        Some(404) => {
            format!("{what}; are the CustomResourceDefinitions installed? (`pilothouse crds`)")
        }
        Some(401) => format!("{what}; the service account's token is not accepted"),
        Some(403) => format!("{what}; the service account's role does not allow it"),
        _ => what,
    }
}

/// The HTTP status with which the API server refused, if it did.
pub(in crate::control) fn status_code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_an_answer_ends_the_row() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        let waits: Vec<_> = (0..12).map(|_| trouble.failed(start, Some(503))).collect();
        assert!(waits[0] <= BACKOFF_BASE && waits[0] >= BACKOFF_BASE / 2);
        assert!(waits.iter().all(|wait| *wait <= REFUSED_MAX));
        assert!(waits[11] >= REFUSED_MAX / 2);
        assert!(trouble.over());
        assert!(!trouble.over());
        assert!(trouble.failed(start, Some(503)) <= BACKOFF_BASE);
    }

    #[test]
    fn who_is_away_is_asked_often_and_who_comes_back_at_once() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        let away: Vec<_> = (0..12).map(|_| trouble.failed(start, None)).collect();
        assert!(away.iter().all(|wait| *wait <= UNREACHABLE_MAX));
        assert!(trouble.failed(start, Some(503)) <= BACKOFF_BASE);
        assert_eq!(trouble.failures, 13, "it is still one row");
    }

    #[test]
    fn who_throttles_is_left_alone_for_as_long_as_it_asks() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        let waits: Vec<_> = (0..12).map(|_| trouble.failed(start, Some(429))).collect();
        assert!(waits.iter().all(|wait| (THROTTLED_MIN..=REFUSED_MAX).contains(wait)), "{waits:?}");
    }

    #[test]
    fn a_failure_of_another_kind_is_news() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        let mut news = |status| {
            trouble.failed(start, status);
            trouble.is_news()
        };
        let kinds = [None, None, Some(503), Some(404), Some(404), None];
        assert_eq!(kinds.map(&mut news), [true, false, true, true, false, true]);
        trouble.over();
        trouble.failed(start, None);
        assert!(trouble.is_news(), "a new row");
    }

    #[test]
    fn a_late_failure_is_a_new_trouble() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        for _ in 0..8 {
            trouble.failed(start, Some(503));
        }
        let later = start + TROUBLE_OVER + Duration::from_secs(1);
        assert!(trouble.failed(later, Some(503)) <= BACKOFF_BASE);
        assert_eq!(trouble.failures, 1);
    }
}
