//! Pilothouse: a Kubernetes-native gateway for large language models.
//!
//! One binary holds a controller and a data plane, joined by one pointer:
//!
//! ```text
//!  API server ─ watch ┐                                                   ┌─ client
//!                     ├─ Snapshot ─ compile ─► RouteTable ─► TableCell ─► proxy ─► upstream
//!  --manifests DIR ───┘     (pure)  findings        (one ArcSwap)         └─ settle ─► state
//!                                     └─► status, log, metrics
//! ```
//!
//! Three kinds of data have three homes. What users ask for is in [`api`]; what is served is the
//! immutable [`table`]; what must outlive a table (breakers, in-flight counts, latencies, key
//! cool-downs, tokens of clouds) is in [`state`]. A request loads the table once and keeps it to its
//! last byte.
//!
//! Imports run one way, and `tests/layering.rs` holds them to it: [`api`], [`wire`] and
//! [`credential`] know nothing of ours; [`proxy`] never names `api`, `compile`, `control` or `kube`;
//! [`control`] never names `proxy` or `upstream`. The only bridge is [`table::TableCell`].
//!
//! Beside requests, [`health`] asks after targets whose routes want that, and [`load`] asks the servers
//! behind Services how many requests wait there. [`admin`] shows what there
//! is to see.
//!
//! A new provider is a row in [`provider`], a new protocol a file and a line in
//! [`protocol::registry`], a new strategy a file and a line in [`balance::registry`].

pub mod admin;
pub mod api;
pub mod app;
pub mod balance;
pub mod cli;
pub mod compile;
pub mod control;
pub mod credential;
pub mod demo;
pub mod health;
pub mod load;
pub mod manifest;
pub mod protocol;
pub mod provider;
pub mod proxy;
pub mod settings;
pub mod simulate;
pub mod state;
pub mod table;
pub mod telemetry;
pub mod upstream;
pub mod validate;
pub mod wire;
