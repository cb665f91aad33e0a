//! Awaiting states. A test never sleeps for a time in which something ought to have happened.

use std::time::{Duration, Instant};

/// How long a state may take on a busy machine. A healthy run needs a small part of it, and only a
/// test that fails waits for all of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks: short beside the times that are measured, long beside a request on loopback.
const INTERVAL: Duration = Duration::from_millis(5);

/// Looks until there is a value. Panics with `what` when there never is.
pub(crate) async fn eventually_some<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < deadline, "never seen in {PATIENCE:?}: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Looks until the answer is yes. Panics with `what` when it never is.
pub(crate) async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    eventually_some(what, async || look().await.then_some(())).await;
}
