//! The load: requests over kept connections, closed loop.
//!
//! Written on bare sockets for the reason the upstream is: the generator shares a core with the
//! upstream, and together they must cost less than the proxy, or the proxy never saturates.

mod answer;
mod connection;
pub(crate) mod multiplexed;
pub(crate) mod request;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};

pub(crate) use self::connection::Connection;
use crate::meter::Window;

/// What the clients saw inside the window.
#[derive(Default)]
pub(crate) struct Seen {
    /// For requests: from sending to the last byte. For streams: from one event to the next.
    pub(crate) times: Vec<Duration>,
    pub(crate) errors: u32,
    /// What went wrong first.
    pub(crate) first_error: Option<String>,
}

impl Seen {
    /// The time that `share` (0 to 1) of all were at or under.
    pub(crate) fn percentile(&mut self, share: f64) -> Duration {
        if self.times.is_empty() {
            return Duration::ZERO;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let rank = ((self.times.len() - 1) as f64 * share).round() as usize;
        *self.times.select_nth_unstable(rank).1
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    fn fail(&mut self, error: &impl ToString) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }
}

/// A request to send and the connections to send it over.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) request: bytes::Bytes,
    pub(crate) connections: usize,
    /// Time from one request of a connection to its next; none = as fast as answers come.
    pub(crate) every: Option<Duration>,
}

/// Sends requests over every connection and times each whole answer.
pub(crate) async fn requests(load: Load, window: Window) -> Seen {
    all(load, window, repeat_requests).await
}

/// Keeps one stream open on every connection and times the gaps between events.
pub(crate) async fn streams(load: Load, window: Window) -> Seen {
    all(load, window, repeat_streams).await
}

async fn all<F>(load: Load, window: Window, client: fn(Load, usize, Window) -> F) -> Seen
where
    F: Future<Output = Seen> + Send + 'static,
{
    let mut clients = JoinSet::new();
    for index in 0..load.connections {
        clients.spawn(client(load.clone(), index, window));
    }
    let mut seen = Seen::default();
    while let Some(client) = clients.join_next().await {
        seen.add(client.expect("a client does not panic"));
    }
    seen
}

async fn repeat_requests(load: Load, index: usize, window: Window) -> Seen {
    let mut seen = Seen::default();
    let mut connection = Connection::new(load.address);
    let mut due = Instant::now() + phase(&load, index);
    while Instant::now() < window.until {
        if let Some(every) = load.every {
            sleep_until(due.into()).await;
            due += every;
        }
        let sent = Instant::now();
        match timeout_at(give_up(window), connection.exchange(&load.request, |_| ())).await {
            Ok(Ok(())) if window.holds(Instant::now()) => seen.times.push(sent.elapsed()),
            Ok(Ok(())) => (),
            Ok(Err(error)) => seen.fail(&error),
            Err(late) => seen.fail(&late),
        }
    }
    seen
}

async fn repeat_streams(load: Load, index: usize, window: Window) -> Seen {
    let mut seen = Seen::default();
    let mut connection = Connection::new(load.address);
    // Started at once, all streams would tick in step.
    sleep_until((Instant::now() + phase(&load, index)).into()).await;
    while Instant::now() < window.until {
        let mut last = None;
        let times = &mut seen.times;
        let exchange = connection.exchange(&load.request, |now| {
            if let Some(last) = last.replace(now)
                && window.holds(now)
            {
                times.push(now - last);
            }
        });
        match timeout_at(window.until.into(), exchange).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => seen.fail(&error),
            // The window is over in mid-stream: the stream is dropped with its connection.
            Err(_) => break,
        }
    }
    seen
}

/// Spreads the first requests of all connections over one period, or over the warm-up.
fn phase(load: &Load, index: usize) -> Duration {
    let period = load.every.unwrap_or(Duration::from_millis(500));
    let share = u32::try_from(index).unwrap_or(u32::MAX);
    let of = u32::try_from(load.connections.max(1)).unwrap_or(u32::MAX);
    period * share / of
}

/// An answer that is still missing this long after the window is an error, not a wait.
fn give_up(window: Window) -> tokio::time::Instant {
    (window.until + Duration::from_secs(2)).into()
}
