//! How the process is asked to stop.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// How the process was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM: somebody routes traffic by readiness and needs time to notice.
    Terminate,
    /// SIGINT: a person at a terminal.
    Interrupt,
}

impl Stop {
    pub(super) fn delay(self, configured: Duration) -> Duration {
        match self {
            Self::Terminate => configured,
            Self::Interrupt => Duration::ZERO,
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn stop_signal() -> Stop {
    // Both fail only where the process may not have signal handlers at all; it then ends as the
    // system has it.
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => Stop::Terminate,
        _ = interrupt.recv() => Stop::Interrupt,
    }
}

/// Ends with the next SIGTERM or SIGINT.
pub async fn interrupted() {
    stop_signal().await;
}
