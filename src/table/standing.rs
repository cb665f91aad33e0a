//! Whether a target may be asked, in one word.

use std::time::Instant;

use super::{Resolution, Target, Upstream};
use crate::state::{BreakerAccount, BreakerStatus};

/// Whether a target may be asked, for those who show it. Of several reasons against it the one that
/// weighs most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may be asked.
    Closed,
    /// One request at a time may find out how it is.
    HalfOpen,
    /// Its breaker is open.
    Open {
        /// When its rest is over.
        until: Instant,
    },
    /// It, or every key of its, was asked to be left alone.
    Resting {
        /// When that is over.
        until: Instant,
    },
    /// Checks of its health fail: it is asked only where nobody else can be.
    Unhealthy,
    /// Something it refers to is missing or forbidden.
    Unresolved,
}

impl Standing {
    /// Every word of [`Self::as_str`].
    pub const WORDS: [&'static str; 6] =
        ["closed", "half-open", "open", "resting", "unhealthy", "unresolved"];

    /// The word for it in metrics and admin.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open { .. } => "open",
            Self::Resting { .. } => "resting",
            Self::Unhealthy => "unhealthy",
            Self::Unresolved => "unresolved",
        }
    }

    /// When something may change by itself, if time decides.
    pub fn until(self) -> Option<Instant> {
        match self {
            Self::Open { until } | Self::Resting { until } => Some(until),
            _ => None,
        }
    }
}

impl Target {
    /// Whether it may be asked.
    pub fn standing(&self, now: Instant) -> Standing {
        match &self.resolution {
            Resolution::Ready(upstream) => upstream.standing(now),
            Resolution::Unresolved { .. } => Standing::Unresolved,
        }
    }
}

impl Upstream {
    /// Whether it may be asked.
    pub fn standing(&self, now: Instant) -> Standing {
        let breaker = self.breaker_status(now);
        if let BreakerStatus::Open { until } = breaker {
            return Standing::Open { until };
        }
        if let Some(until) = self.resting_until(now) {
            return Standing::Resting { until };
        }
        if self.is_unhealthy() {
            return Standing::Unhealthy;
        }
        match breaker {
            BreakerStatus::HalfOpen => Standing::HalfOpen,
            _ => Standing::Closed,
        }
    }

    /// What its policy makes of its breaker; of a Service, of the breakers of its endpoints: of the
    /// one that is best off.
    pub fn breaker_status(&self, now: Instant) -> BreakerStatus {
        match &self.endpoints {
            None => self.state.breaker.status(&self.breaker, now),
            Some(endpoints) => endpoints.breaker_status(&self.breaker, now),
        }
    }

    /// What there is to tell of its breaker; of a Service, of those of its endpoints together: the
    /// target's own is never asked there.
    pub fn breaker_account(&self, now: Instant) -> BreakerAccount {
        let endpoints = self.endpoints.as_ref();
        endpoints
            .and_then(|endpoints| endpoints.breaker_account(&self.breaker, now))
            .unwrap_or_else(|| self.state.breaker.account(&self.breaker, now))
    }

    /// Whether checks of its health fail. Other routes may have it checked; it is this one's
    /// business only if it asks for checks itself.
    pub fn is_unhealthy(&self) -> bool {
        self.health_check.is_some() && self.state.health.is_failing()
    }
}
