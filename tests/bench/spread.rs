//! A figure over several rounds.

use serde::Serialize;

/// Median, least and greatest of the rounds. On a shared machine the median of interleaved rounds
/// is worth more than a mean: one disturbed round moves the edges and not the middle.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` for no values at all.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min: first, max: last })
    }

    /// `median (min..max)` with as many decimals as asked for.
    pub(crate) fn show(self, decimals: usize) -> String {
        format!("{:.decimals$} ({:.decimals$}..{:.decimals$})", self.median, self.min, self.max)
    }
}
