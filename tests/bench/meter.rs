//! Runs load for a window of time and reads what the proxy used in it.

use std::io::{Error, Result};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::process::{cpu_time, machine_cpu_time};

/// When to count: after the warm-up, until the end.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl Window {
    pub(crate) fn starting_now(warm_up: Duration, length: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, until: from + length }
    }

    pub(crate) fn seconds(self) -> f64 {
        (self.until - self.from).as_secs_f64()
    }

    pub(crate) fn holds(self, instant: Instant) -> bool {
        (self.from..self.until).contains(&instant)
    }
}

/// CPU time inside a window.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    pub(crate) proxy: Duration,
    /// Everything on the machine that is no part of the benchmark.
    pub(crate) others: Duration,
}

/// Drives `load` and returns its result with what `proxy` used inside the window. `upstream` is
/// only told apart from strangers.
pub(crate) async fn metered<T, F>(
    proxy: u32,
    upstream: u32,
    window: Window,
    load: F,
) -> Result<(T, Used)>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let load = tokio::spawn(load);
    sleep_until(window.from.into()).await;
    let before = Clocks::read(proxy, upstream)?;
    sleep_until(window.until.into()).await;
    let after = Clocks::read(proxy, upstream)?;
    let result = load.await.map_err(Error::other)??;
    Ok((result, before.until(&after)))
}

struct Clocks {
    machine: Duration,
    proxy: Duration,
    ours: Duration,
}

impl Clocks {
    fn read(proxy: u32, upstream: u32) -> Result<Self> {
        let proxy_used = cpu_time(proxy)?;
        let mut ours = proxy_used + cpu_time(std::process::id())?;
        if upstream != proxy {
            ours += cpu_time(upstream)?;
        }
        Ok(Self { machine: machine_cpu_time()?, proxy: proxy_used, ours })
    }

    fn until(&self, later: &Self) -> Used {
        let ours = later.ours.saturating_sub(self.ours);
        Used {
            proxy: later.proxy.saturating_sub(self.proxy),
            others: later.machine.saturating_sub(self.machine).saturating_sub(ours),
        }
    }
}
