//! Holds the controller's parts until the end, and starts those again that fail.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Report;

/// A part that fails is started again after this long, and after twice as long each time: what made
/// it fail may still be there.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The controller's parts.
pub(super) struct Parts {
    tasks: JoinSet<()>,
    report: watch::Sender<Arc<Report>>,
}

impl Parts {
    pub fn new(report: watch::Sender<Arc<Report>>) -> Self {
        Self { tasks: JoinSet::new(), report }
    }

    /// Starts a part. If it fails, `start` begins it anew: a watch lists again whatever it had, and
    /// until then what it said last stands.
    pub fn spawn<F>(&mut self, part: &str, mut start: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let (part, report) = (part.to_owned(), self.report.clone());
        self.tasks.spawn(async move {
            let mut pause = FIRST_PAUSE;
            // Nothing is used after a panic but what is shared, whose locks hold no broken promises:
            // the inventory is written in single steps.
            while let Err(panic) = AssertUnwindSafe(start()).catch_unwind().await {
                tracing::error!(
                    part,
                    panic = message(&*panic),
                    again_in = ?pause,
                    "a part of the controller failed, which is a fault of this program"
                );
                report.send_modify(|report| Arc::make_mut(report).failed_parts += 1);
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        });
    }

    /// Holds the parts until `shutdown`, or until all have ended by themselves. Then waits for the
    /// `last_words` of those who have to tell the API server that they go.
    pub async fn hold(mut self, last_words: Vec<JoinHandle<()>>, shutdown: CancellationToken) {
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = ended => {}
        }
        self.tasks.shutdown().await;
        for last in last_words {
            // Each has a limit of its own.
            let _ = last.await;
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_fails_is_started_again_and_counted() {
        let (report, mut seen) = watch::channel(Arc::new(Report::default()));
        let mut parts = Parts::new(report);
        let starts = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&starts);
        parts.spawn("watch", move || {
            let start = counter.fetch_add(1, Ordering::SeqCst);
            async move { assert!(start >= 2, "a fault that this test makes") }
        });
        parts.hold(Vec::new(), CancellationToken::new()).await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
        assert_eq!(seen.borrow_and_update().failed_parts, 2);
    }
}
