//! When a silent stream is kept alive, given up or ended.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::proxy::events::Progress;
use crate::table::Timeouts;

/// A stream that has committed without output shows the client that it lives this often: well below
/// the minute after which common proxies cut a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A stream whose every choice has finished is ended properly after this long without usage and end
/// marker.
const GRACE: Duration = Duration::from_secs(2);

/// Which silence is too long, counted while the client is willing to read.
#[derive(Debug)]
pub(super) struct Clock {
    timeouts: Timeouts,
    progress: Progress,
    /// When this look at the stream began. All of it happens then, so that the time is asked for once.
    now: Instant,
    /// When the provider last gave a sign of progress.
    alive: Instant,
    /// When bytes last went to the client.
    sent: Instant,
    /// Set while the client has not come back for more.
    away_since: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
    /// The timer runs.
    runs: bool,
}

/// What a silence calls for.
#[derive(Debug)]
pub(super) enum Due {
    KeepAlive,
    Stalled,
    EndProperly,
}

impl Clock {
    /// A clock that starts now.
    pub fn new(timeouts: Timeouts, progress: Progress) -> Self {
        let now = Instant::now();
        Self {
            timeouts,
            progress,
            now,
            alive: now,
            sent: now,
            away_since: None,
            sleep: Box::pin(tokio::time::sleep(Duration::from_secs(3600))),
            runs: false,
        }
    }

    /// A clock for a stream of which nobody knows yet who answers it: nobody is silent, and the client
    /// is shown that it lives.
    pub fn searching() -> Self {
        let never = Duration::from_secs(u32::MAX.into());
        let timeouts = Timeouts { thinking_idle: never, ..Timeouts::BUILT_IN };
        Self::new(timeouts, Progress::None)
    }

    /// The client is here: the time it was away does not count against the provider.
    pub fn client_is_back(&mut self) {
        self.now = Instant::now();
        if let Some(since) = self.away_since.take() {
            let away = self.now - since;
            self.alive += away;
            self.sent += away;
        }
    }

    /// Bytes go to the client, which is away until it asks for more.
    pub fn sent(&mut self) {
        self.sent = self.now;
        self.away_since = Some(self.now);
    }

    /// The protocol has no sign of life that could be sent; the client is still here.
    pub fn nothing_to_say(&mut self) {
        self.sent = self.now;
    }

    /// Pings and preamble are no progress, and reasoning does not take back what has finished.
    pub fn note(&mut self, progress: Progress) {
        if progress > Progress::None {
            self.alive = self.now;
            if self.progress < Progress::Finished || progress > self.progress {
                self.progress = progress;
            }
        }
    }

    /// How long the provider has been silent.
    pub fn silence(&self) -> Duration {
        self.alive.elapsed()
    }

    fn next(&self) -> (Instant, Due) {
        match self.progress {
            Progress::None | Progress::Thinking => {
                let stalled = self.alive + self.timeouts.thinking_idle;
                let keep_alive = self.sent + KEEP_ALIVE;
                if keep_alive < stalled {
                    (keep_alive, Due::KeepAlive)
                } else {
                    (stalled, Due::Stalled)
                }
            }
            Progress::Output => (self.alive + self.timeouts.idle, Due::Stalled),
            Progress::Finished | Progress::Ended => (self.alive + GRACE, Due::EndProperly),
        }
    }

    /// Whether there is anything to wait for anew: most often the timer runs and is not due.
    pub fn is_waiting(&self) -> bool {
        self.runs && self.now < self.sleep.deadline() && self.sleep.deadline() <= self.next().0
    }

    /// Waits for the next thing that a silence calls for. The timer is only moved when it fires too
    /// early, not with every event.
    pub fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            let (at, due) = self.next();
            if self.sleep.deadline() > at {
                self.sleep.as_mut().reset(at);
            }
            self.runs = true;
            match self.sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if Instant::now() >= at => return Poll::Ready(due),
                Poll::Ready(()) => self.sleep.as_mut().reset(at),
            }
        }
    }
}
