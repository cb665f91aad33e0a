//! How many bytes of bodies all requests together may hold in memory.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::IntGauge;

/// The budget. Cheap to clone; all clones are one budget.
#[derive(Debug, Clone)]
pub struct Budget {
    held: Arc<Mutex<usize>>,
    limit: usize,
    gauge: IntGauge,
}

/// Bytes taken from the budget; they go back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: usize,
}

/// The budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory for bodies is used up")]
pub struct Exhausted;

impl Budget {
    /// A budget of `limit` bytes, reported by `gauge`.
    pub fn new(limit: usize, gauge: IntGauge) -> Self {
        Self { held: Arc::default(), limit, gauge }
    }

    /// Takes `bytes` out.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Exhausted> {
        self.take(bytes)?;
        Ok(Reservation { budget: self.clone(), bytes })
    }

    /// Whether what need not be held had better not be: others may be refused for it soon.
    pub fn is_tight(&self) -> bool {
        *self.held.lock() > self.limit / 2
    }

    fn take(&self, bytes: usize) -> Result<(), Exhausted> {
        let mut held = self.held.lock();
        let wanted = held.saturating_add(bytes);
        if wanted > self.limit {
            return Err(Exhausted);
        }
        *held = wanted;
        self.report(wanted);
        Ok(())
    }

    fn report(&self, held: usize) {
        self.gauge.set(i64::try_from(held).unwrap_or(i64::MAX));
    }
}

impl Reservation {
    /// Makes sure that at least `total` bytes are reserved.
    pub fn grow_to(&mut self, total: usize) -> Result<(), Exhausted> {
        if let Some(more) = total.checked_sub(self.bytes).filter(|more| *more > 0) {
            self.budget.take(more)?;
            self.bytes = total;
        }
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut held = self.budget.held.lock();
        *held -= self.bytes;
        self.budget.report(*held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let gauge = IntGauge::new("held", "held").expect("a name");
        let budget = Budget::new(10, gauge.clone());
        let mut first = budget.reserve(4).expect("room");
        let second = budget.reserve(6).expect("room");
        assert_eq!(budget.reserve(1).err(), Some(Exhausted));
        assert_eq!(first.grow_to(5), Err(Exhausted));
        drop(second);
        first.grow_to(9).expect("room");
        assert_eq!(gauge.get(), 9);
        drop(first);
        assert_eq!(gauge.get(), 0);
    }
}
