//! From resources to a routing table: a pure function that never fails as a whole.

mod snapshot;

pub use snapshot::*;
