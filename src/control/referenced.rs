//! What is referred to, and no more, is followed: watches start as resources come to refer to
//! something and end as they cease to.

mod collected;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};

#[cfg(test)]
pub(super) use self::collected::REFUSAL_GRACE;
pub(super) use self::collected::{Change, Collected, Known};
use crate::compile::References;

/// What is done about the objects of one kind.
pub(super) trait Follow {
    /// What is followed in one: an object, or those of a namespace.
    type Scope: Ord + Clone;
    /// Where there is something that is referred to.
    fn wanted(&self, references: &References) -> BTreeSet<Self::Scope>;
    /// Follows one of these for ever.
    fn follow(&self, scope: Self::Scope) -> impl Future<Output = ()> + Send + 'static;
    /// One of these is followed no more.
    fn stopped(&self, scope: &Self::Scope);
    /// Other objects are referred to: forgets what is known of all but these.
    fn retain(&self, references: &Arc<References>);
}

/// Follows what is wanted until the sender of `wanted` is gone.
pub(super) async fn run<F: Follow>(kind: F, mut wanted: watch::Receiver<Arc<References>>) {
    // The watches end with this set, and so with this function.
    let mut watches = JoinSet::new();
    let mut running: BTreeMap<F::Scope, AbortHandle> = BTreeMap::new();
    loop {
        let references = wanted.borrow_and_update().clone();
        let change = diff(&running, &kind.wanted(&references));
        for scope in &change.stop {
            if let Some(watch) = running.remove(scope) {
                watch.abort();
            }
        }
        for scope in &change.stop {
            // Until it has really ended it may still write. The others never end.
            reap(watches.join_next().await);
            kind.stopped(scope);
        }
        kind.retain(&references);
        for scope in change.start {
            let watch = kind.follow(scope.clone());
            running.insert(scope, watches.spawn(watch));
        }
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() {
                return;
            },
            ended = watches.join_next(), if !watches.is_empty() => reap(ended),
        }
    }
}

/// A watch that failed takes all of them with it: they are started again together.
fn reap(ended: Option<Result<(), JoinError>>) {
    if let Some(Err(error)) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Difference<S> {
    start: Vec<S>,
    stop: Vec<S>,
}

fn diff<S: Ord + Clone, T>(running: &BTreeMap<S, T>, wanted: &BTreeSet<S>) -> Difference<S> {
    Difference {
        start: wanted.iter().filter(|scope| !running.contains_key(*scope)).cloned().collect(),
        stop: running.keys().filter(|scope| !wanted.contains(*scope)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_follow_the_references() {
        let running = BTreeMap::from([("a", 1), ("b", 2)]);
        let change = diff(&running, &BTreeSet::from(["b", "c"]));
        assert_eq!(change, Difference { start: vec!["c"], stop: vec!["a"] });
        let change = diff(&running, &BTreeSet::from(["a", "b"]));
        assert_eq!(change, Difference { start: Vec::new(), stop: Vec::new() });
    }
}
