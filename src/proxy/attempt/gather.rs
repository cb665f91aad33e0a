//! Parts of an answer put together in memory, which counts against the budget of all requests.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};

use crate::proxy::budget::{Budget, Exhausted, Reservation};
use crate::upstream::UpstreamBody;

/// What one answer may hold without being counted: about what its two connections hold in buffers
/// anyway. Most answers are smaller and never touch the budget.
pub(in crate::proxy) const UNCOUNTED: usize = 64 * 1024;

/// Bytes that came in pieces. One piece stays as it is.
pub(super) struct Gathered<'b> {
    budget: &'b Budget,
    first: Bytes,
    more: BytesMut,
    reservation: Option<Reservation>,
}

impl<'b> Gathered<'b> {
    pub fn new(budget: &'b Budget) -> Self {
        Self { budget, first: Bytes::new(), more: BytesMut::new(), reservation: None }
    }

    pub fn len(&self) -> usize {
        self.first.len().max(self.more.len())
    }

    pub fn push(&mut self, data: Bytes) -> Result<(), Exhausted> {
        let total = self.len() + data.len();
        if total > UNCOUNTED {
            match &mut self.reservation {
                Some(reservation) => reservation.grow_to(total)?,
                None => self.reservation = Some(self.budget.reserve(total)?),
            }
        }
        if self.len() == 0 {
            self.first = data;
        } else {
            if self.more.is_empty() {
                self.more.extend_from_slice(&self.first);
            }
            self.more.extend_from_slice(&data);
        }
        Ok(())
    }

    /// The whole, which holds on to its part of the budget until its last byte is gone.
    pub fn finish(self) -> Bytes {
        let bytes = if self.more.is_empty() { self.first } else { self.more.freeze() };
        match self.reservation {
            Some(reservation) => counted(bytes, reservation),
            None => bytes,
        }
    }
}

/// Bytes that hold on to their part of the budget until the last of them is gone.
pub(super) fn counted(bytes: Bytes, reservation: Reservation) -> Bytes {
    Bytes::from_owner(Counted { bytes, _reservation: reservation })
}

struct Counted {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

pub(super) enum Collected {
    Whole(Bytes),
    /// There is more than the limit.
    Beginning(Bytes),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CollectError {
    #[error("broke off its reply: {0}")]
    Broken(#[from] hyper::Error),
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// Reads a body up to about `limit` bytes.
pub(super) async fn collect(
    body: &mut UpstreamBody,
    limit: usize,
    budget: &Budget,
) -> Result<Collected, CollectError> {
    let mut gathered = Gathered::new(budget);
    while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
        gathered.push(data?)?;
        if gathered.len() > limit {
            return Ok(Collected::Beginning(gathered.finish()));
        }
    }
    Ok(Collected::Whole(gathered.finish()))
}

#[cfg(test)]
mod tests {
    use prometheus::IntGauge;

    use super::*;

    #[test]
    fn large_answers_are_counted_for_as_long_as_they_are_held() {
        let gauge = IntGauge::new("held", "held").expect("a name");
        let budget = Budget::new(3 * UNCOUNTED, gauge.clone());
        let piece = Bytes::from(vec![b'x'; UNCOUNTED]);

        let two = i64::try_from(2 * UNCOUNTED).expect("small");

        let mut small = Gathered::new(&budget);
        small.push(piece.clone()).expect("not counted");
        let small = small.finish();
        assert_eq!((small.len(), gauge.get()), (UNCOUNTED, 0));

        let mut large = Gathered::new(&budget);
        large.push(piece.clone()).expect("not counted");
        large.push(piece.clone()).expect("room");
        let large = large.finish();
        assert_eq!((large.len(), gauge.get()), (2 * UNCOUNTED, two));

        let mut refused = Gathered::new(&budget);
        refused.push(piece.clone()).expect("not counted");
        assert_eq!(refused.push(piece), Err(Exhausted));

        let rest = large.slice(10..20);
        drop(large);
        assert_eq!(gauge.get(), two, "a slice holds the whole");
        drop(rest);
        assert_eq!(gauge.get(), 0);
    }
}
