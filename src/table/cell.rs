//! The one pointer between controller and data plane.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::RouteTable;

/// Holds the table that new requests are served by. One writer (the publisher), any number of
/// readers; a reader is never blocked and never sees half a change.
#[derive(Debug)]
pub struct TableCell(ArcSwap<RouteTable>);

impl TableCell {
    /// A cell that holds the empty table.
    pub fn new() -> Self {
        Self(ArcSwap::from_pointee(RouteTable::empty()))
    }

    /// The table of this moment. A request calls this once and keeps the result until it has its
    /// route.
    pub fn current(&self) -> Arc<RouteTable> {
        // A full `Arc` and not a guard: arc-swap keeps only a few guard slots per thread, and a
        // request holds its table while its body arrives.
        self.0.load_full()
    }

    /// Replaces the table for all requests that come from now on.
    pub fn publish(&self, table: RouteTable) {
        self.0.store(Arc::new(table));
    }

    /// Whether any table has been published.
    pub fn is_published(&self) -> bool {
        self.0.load().generation > 0
    }
}

impl Default for TableCell {
    fn default() -> Self {
        Self::new()
    }
}
