//! The one pointer between controller and data plane.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::RouteTable;

/// Holds the table that new requests are served by. One writer (the publisher), any number of
/// readers; a reader is never blocked and never sees half a change.
#[derive(Debug)]
pub struct TableCell {
    table: ArcSwap<RouteTable>,
    generation: watch::Sender<u64>,
}

impl TableCell {
    /// A cell that holds the empty table.
    pub fn new() -> Self {
        Self {
            table: ArcSwap::from_pointee(RouteTable::empty()),
            generation: watch::Sender::default(),
        }
    }

    /// The table of this moment. A request calls this once and keeps the result until it has its
    /// route.
    pub fn current(&self) -> Arc<RouteTable> {
        // A full `Arc` and not a guard: arc-swap keeps only a few guard slots per thread, and a
        // request holds its table while its body arrives.
        self.table.load_full()
    }

    /// Replaces the table for all requests that come from now on.
    pub fn publish(&self, table: RouteTable) {
        let generation = table.generation;
        self.table.store(Arc::new(table));
        self.generation.send_replace(generation);
    }

    /// The generation of the table, for those who have to follow every table. Requests need not.
    pub fn generations(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Whether any table has been published.
    pub fn is_published(&self) -> bool {
        self.table.load().generation > 0
    }
}

impl Default for TableCell {
    fn default() -> Self {
        Self::new()
    }
}
