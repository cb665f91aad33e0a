//! What must be remembered from one request to the next, and from one table to the next.
//!
//! Policy lives in the table and is passed in with every call; memory lives here and is found by
//! identity. So editing a threshold acts at once and erases nothing, and a route that is deleted
//! and made again finds its targets as sick or as healthy as it left them.
//!
//! Time is passed in too. Nothing here sleeps, logs or counts: who calls it knows what for.

mod breaker;
mod endpoint;
mod health;
mod in_flight;
mod key;
mod latency;
mod load;
mod pauses;
mod recovery;
mod rest;
mod retry_budget;
mod room;
mod server;
mod store;
mod target;
mod usual_time;

pub use breaker::{
    Admission, Breaker, BreakerAccount, BreakerPolicy, BreakerStatus, Phase, ProbePermit, Signal,
    Transition,
};
pub use endpoint::{EndpointIdentity, EndpointState};
pub use health::{Health, HealthAccount, HealthChange, HealthThresholds};
pub use in_flight::{InFlight, InFlightGuard};
pub use key::{KeyIdentity, KeyRest, KeyState};
pub use latency::Latency;
pub use load::{LoadAccount, LoadReport, ReportedLoad};
pub use recovery::Recovery;
pub use retry_budget::{RetryBudget, RetryPermit};
pub use room::{Demand, Full, Limit, Place, Room, Slot, TargetLimits};
pub use server::{ServerIdentity, ServerState};
pub use store::{Forgotten, StateStore};
pub use target::{LastFailure, TargetIdentity, TargetState};
pub use usual_time::UsualTime;
