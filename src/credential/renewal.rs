//! A value that expires and is fetched anew ahead of that, once for everybody who waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::IdentityError;

/// How long before its end a value is renewed: as the SDKs of the clouds do, long enough to sit out
/// a short outage of the issuer.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// Of a short-lived value the last fifth, so that it is not renewed all the time.
const AHEAD_SHARE: u32 = 5;
/// An issuer that failed is left alone this long: every request would ask it otherwise.
const PAUSE: Duration = Duration::from_secs(5);
/// A value that was fetched so recently is not thrown away because a provider refused it: fetching
/// again would hardly give a better one, and a provider that refuses everything must not turn every
/// request into one to the issuer.
const RECENT: Duration = Duration::from_secs(30);

/// What was fetched.
#[derive(Debug, Clone)]
pub struct Fetched<T> {
    /// The value.
    pub value: T,
    /// For how long it may be used; `None`: for good.
    pub lifetime: Option<Duration>,
}

type Fetch<T> = dyn Fn() -> BoxFuture<'static, Result<Fetched<T>, IdentityError>> + Send + Sync;
type Pending<T> = Shared<BoxFuture<'static, Result<T, IdentityError>>>;

/// A value that is fetched when it is first needed and renewed ahead of its expiry. Everybody who
/// needs it at the same time waits for one fetch, which goes on when those who wait go away. While
/// the old value is valid nobody waits and a fetch that fails changes nothing.
pub struct Renewal<T> {
    shared: Arc<Inner<T>>,
}

struct Inner<T> {
    fetch: Box<Fetch<T>>,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    held: Option<Held<T>>,
    pending: Option<Pending<T>>,
    /// The last fetch failed like this, and until when nobody tries again.
    failed: Option<(IdentityError, Instant)>,
}

struct Held<T> {
    value: T,
    fetched: Instant,
    /// From when on it is to be renewed, and until when it may be used.
    limits: Option<(Instant, Instant)>,
}

impl<T> fmt::Debug for Renewal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewal")
    }
}

impl<T: Clone + Send + Sync + 'static> Renewal<T> {
    /// A value that `fetch` gets. Nothing is fetched yet.
    pub fn new<F, G>(fetch: F) -> Self
    where
        F: Fn() -> G + Send + Sync + 'static,
        G: Future<Output = Result<Fetched<T>, IdentityError>> + Send + 'static,
    {
        let slot = Mutex::new(Slot { held: None, pending: None, failed: None });
        Self { shared: Arc::new(Inner { fetch: Box::new(move || fetch().boxed()), slot }) }
    }

    /// The value. Waits only where there is no valid one.
    pub async fn get(&self) -> Result<T, IdentityError> {
        let pending = {
            let now = Instant::now();
            let mut slot = self.shared.slot.lock();
            match slot.held.as_ref().filter(|held| held.is_valid(now)) {
                Some(held) => {
                    let value = held.value.clone();
                    if held.is_due(now) && slot.failure(now).is_none() {
                        // Its task goes on by itself.
                        drop(self.begin(&mut slot));
                    }
                    return Ok(value);
                }
                None => match slot.failure(now) {
                    Some(error) => return Err(error),
                    None => self.begin(&mut slot),
                },
            }
        };
        pending.await
    }

    /// Throws the value away because it was refused. Says whether the next one can be another.
    pub fn discard(&self) -> bool {
        let now = Instant::now();
        let mut slot = self.shared.slot.lock();
        match &slot.held {
            Some(held) if now.duration_since(held.fetched) < RECENT => false,
            Some(_) => {
                slot.held = None;
                true
            }
            // Somebody else did, and it is being fetched.
            None => slot.pending.is_some(),
        }
    }

    fn begin(&self, slot: &mut Slot<T>) -> Pending<T> {
        if let Some(pending) = &slot.pending {
            return pending.clone();
        }
        let inner = Arc::clone(&self.shared);
        // A task of its own: the request that began it may be cancelled.
        let task = tokio::spawn(async move { inner.renew().await });
        let pending = async move {
            task.await.unwrap_or_else(|_| {
                Err(IdentityError::NotGranted {
                    issuer: "the gateway",
                    reason: "it stopped".into(),
                })
            })
        };
        let pending = pending.boxed().shared();
        slot.pending = Some(pending.clone());
        pending
    }
}

impl<T: Clone> Inner<T> {
    async fn renew(&self) -> Result<T, IdentityError> {
        let fetched = (self.fetch)().await;
        let now = Instant::now();
        let mut slot = self.slot.lock();
        slot.pending = None;
        match fetched {
            Ok(Fetched { value, lifetime }) => {
                let limits = lifetime.map(|lifetime| {
                    let ahead = AHEAD.min(lifetime / AHEAD_SHARE);
                    // Replicas that were started together must not ask together for ever.
                    let early = ahead.mul_f64(fastrand::f64() / 5.0);
                    (now + lifetime.saturating_sub(ahead + early), now + lifetime)
                });
                slot.held = Some(Held { value: value.clone(), fetched: now, limits });
                slot.failed = None;
                Ok(value)
            }
            Err(error) => {
                tracing::warn!(%error, "a credential could not be renewed");
                slot.failed = Some((error.clone(), now + PAUSE));
                Err(error)
            }
        }
    }
}

impl<T> Slot<T> {
    fn failure(&self, now: Instant) -> Option<IdentityError> {
        let (error, until) = self.failed.as_ref()?;
        (*until > now).then(|| error.clone())
    }
}

impl<T> Held<T> {
    fn is_valid(&self, now: Instant) -> bool {
        self.limits.is_none_or(|(_, end)| now < end)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.limits.is_some_and(|(renew, _)| now >= renew)
    }
}

#[cfg(test)]
mod tests;
