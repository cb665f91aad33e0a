//! One watch for each object that is referred to: they start as resources come to refer to something
//! and end as they cease to, so that nothing else is ever read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};

use crate::compile::References;
use crate::table::ObjectName;

/// What is done about the objects of one kind.
pub(super) trait Follow {
    /// Those of them that are referred to.
    fn wanted<'r>(&self, references: &'r References) -> &'r BTreeSet<ObjectName>;
    /// Follows one of them for ever.
    fn follow(&self, name: ObjectName) -> impl Future<Output = ()> + Send + 'static;
    /// One of them is followed no more.
    fn stopped(&self, name: &ObjectName);
    /// Forgets what is known of all others.
    fn retain(&self, wanted: &BTreeSet<ObjectName>);
}

/// Keeps one watch per wanted object until the sender of `wanted` is gone.
pub(super) async fn run(kind: impl Follow, mut wanted: watch::Receiver<Arc<References>>) {
    // The watches end with this set, and so with this function.
    let mut watches = JoinSet::new();
    let mut running: BTreeMap<ObjectName, AbortHandle> = BTreeMap::new();
    loop {
        let references = wanted.borrow_and_update().clone();
        let names = kind.wanted(&references);
        let change = diff(&running, names);
        for name in &change.stop {
            if let Some(watch) = running.remove(name) {
                watch.abort();
            }
        }
        for name in &change.stop {
            // Until it has really ended it may still write. The others never end.
            reap(watches.join_next().await);
            kind.stopped(name);
        }
        for name in change.start {
            let watch = kind.follow(name.clone());
            running.insert(name, watches.spawn(watch));
        }
        kind.retain(names);
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

#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    start: Vec<ObjectName>,
    stop: Vec<ObjectName>,
}

fn diff<T>(running: &BTreeMap<ObjectName, T>, wanted: &BTreeSet<ObjectName>) -> Change {
    Change {
        start: wanted.iter().filter(|name| !running.contains_key(*name)).cloned().collect(),
        stop: running.keys().filter(|name| !wanted.contains(*name)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_follow_the_references() {
        let wanted = |names: &[&str]| -> BTreeSet<ObjectName> {
            names.iter().map(|name| ObjectName::new("ai", *name)).collect()
        };
        let running: BTreeMap<_, _> =
            wanted(&["a", "b"]).into_iter().map(|name| (name, "running")).collect();
        let change = diff(&running, &wanted(&["b", "c"]));
        assert_eq!(change.start, [ObjectName::new("ai", "c")]);
        assert_eq!(change.stop, [ObjectName::new("ai", "a")]);
        assert_eq!(diff(&running, &wanted(&["a", "b"])), Change::default());
    }
}
