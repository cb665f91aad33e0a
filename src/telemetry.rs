//! What the gateway tells about itself: metrics, one log line a request, and its own log.

pub mod access_log;
pub mod log;
pub mod metrics;

pub use access_log::AccessLog;
pub use metrics::Metrics;
