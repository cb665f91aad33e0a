//! What must be remembered from one request to the next, and from one table to the next.
//!
//! Policy lives in the table and is passed in with every call; memory lives here and is found by
//! identity. So editing a threshold acts at once and erases nothing, and a route that is deleted
//! and made again finds its targets as sick or as healthy as it left them.

mod breaker;
mod in_flight;
mod key;
mod latency;
mod store;
mod target;
mod window;

pub use breaker::{Admission, Breaker, BreakerPolicy, BreakerStatus, ProbePermit, Signal};
pub use in_flight::{InFlight, InFlightGuard};
pub use key::{KeyIdentity, KeyState};
pub use latency::Latency;
pub use store::StateStore;
pub use target::{TargetIdentity, TargetState};
