//! How long a table waits for what its resources refer to.

use std::time::Duration;

use tokio::time::Instant;

use crate::compile::References;

/// How long the first table waits for Secrets, Services, variables and files while nothing comes.
/// Longer than an API server needs for its first answers after a start; a Secret that cannot be read
/// must not hold up all routes.
pub(super) const FIRST_READ_LIMIT: Duration = Duration::from_secs(5);
/// How long it waits while one list after the other comes: those of a thousand namespaces take some
/// ten seconds, and a replica that said before that it is ready would answer 503 for the rest.
pub(super) const FIRST_READ_LONGEST: Duration = Duration::from_secs(60);
/// The same for later tables, come what may. A read takes some 10 ms; waiting for it keeps a target
/// from failing between "refers to a new Secret" and "the Secret is read". Other changes wait as well,
/// hence short.
pub(super) const READ_LIMIT: Duration = Duration::from_millis(500);

/// The wait of one table.
pub(super) struct Wait {
    is_first: bool,
    /// The latest moment that it may last to.
    end: Instant,
    until: Instant,
    /// How many things were missing, and how many lists had come.
    seen: (usize, u64),
}

impl Wait {
    pub(super) fn new(is_first: bool) -> Self {
        let (limit, longest) = if is_first {
            (FIRST_READ_LIMIT, FIRST_READ_LONGEST)
        } else {
            (READ_LIMIT, READ_LIMIT)
        };
        let now = Instant::now();
        Self { is_first, end: now + longest, until: now + limit, seen: (usize::MAX, 0) }
    }

    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    /// Until when what is still `missing` is waited for, after so many lists.
    ///
    /// A Service takes three of them, and of many all may come to their last at about the same time.
    pub(super) fn until(&mut self, missing: &References, lists: u64) -> Instant {
        let missing = missing.secrets.len() + missing.services.len() + missing.ambient.len();
        let before = std::mem::replace(&mut self.seen, (missing, lists));
        if self.is_first && before != self.seen {
            self.until = (Instant::now() + FIRST_READ_LIMIT).min(self.end);
        }
        self.until
    }
}
