//! Moments before which something is left alone, for each model of its own.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::rest::Rest;

/// Pauses by upstream model. One entry a model, and few models.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    by_model: Mutex<Vec<(Arc<str>, Instant)>>,
    /// The end of the longest of them, so that mostly nobody takes the lock.
    longest: Rest,
}

impl Pauses {
    /// When the pause for `model` is over, if it is not.
    pub(super) fn until(&self, model: &str, now: Instant) -> Option<Instant> {
        self.longest.until(now)?;
        let paused = self.by_model.lock();
        paused
            .iter()
            .find(|(name, until)| **name == *model && *until > now)
            .map(|(_, until)| *until)
    }

    /// Pauses for `model`. A shorter pause does not cut a longer one short.
    pub(super) fn extend(&self, model: &Arc<str>, until: Instant, now: Instant) {
        let mut paused = self.by_model.lock();
        paused.retain(|(_, until)| *until > now);
        match paused.iter_mut().find(|(name, _)| name == model) {
            Some((_, known)) => *known = until.max(*known),
            None => paused.push((Arc::clone(model), until)),
        }
        self.longest.extend(until);
    }

    /// The pauses that are not over.
    pub(super) fn all(&self, now: Instant) -> Vec<(Arc<str>, Instant)> {
        let mut paused = self.by_model.lock().clone();
        paused.retain(|(_, until)| *until > now);
        paused
    }

    /// Ends every pause.
    pub(super) fn clear(&self) {
        let mut paused = self.by_model.lock();
        paused.clear();
        self.longest.end();
    }

    /// Ends the pause for `model`.
    pub(super) fn end(&self, model: &str, now: Instant) {
        if self.longest.until(now).is_some() {
            self.by_model.lock().retain(|(name, _)| **name != *model);
        }
    }
}
