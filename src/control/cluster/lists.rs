//! How many lists are asked for at a time.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

/// A list is the dearest thing to ask an API server for: it reads and encodes up to 500 objects a
/// page, where a watch that is open costs next to nothing. Eight replicas that start together ask for
/// 256: what priority and fairness gives by default to all service accounts together (245 of 600).
/// Fewer are bound by the way there and back: the 1,500 lists of 500 namespaces took 11 s eight at a
/// time, and 6 s so or all at once.
const AT_A_TIME: usize = 32;

/// The turns at listing that watches share.
#[derive(Debug, Clone)]
pub(in crate::control) struct Lists(Arc<Semaphore>);

impl Lists {
    /// Waits for a turn. Whoever has one gives it back when its list is complete or has failed.
    pub(super) async fn turn(&self) -> SemaphorePermit<'_> {
        self.0.acquire().await.expect("nobody closes it")
    }
}

impl Default for Lists {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_comes_late_waits_for_a_turn_that_is_given_back() {
        let lists = Lists::default();
        let mut turns = Vec::new();
        for _ in 0..AT_A_TIME {
            turns.push(lists.turn().await);
        }
        assert!(lists.turn().now_or_never().is_none());
        turns.pop();
        assert!(lists.turn().now_or_never().is_some());
    }
}
