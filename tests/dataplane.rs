//! The data plane against simulated providers, over real sockets: no cluster, nothing to install.
//!
//! A test describes its routes as a user would, in YAML; they go through the same reading and
//! compiling as everywhere else. Limits in time are scaled by the routes' own fields. Nothing here
//! sleeps to wait for a state: it awaits the state.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

#[path = "dataplane/admin.rs"]
mod admin;
#[path = "dataplane/affinity.rs"]
mod affinity;
#[path = "dataplane/answer.rs"]
mod answer;
#[path = "dataplane/answers.rs"]
mod answers;
#[path = "dataplane/aws.rs"]
mod aws;
#[path = "dataplane/breaker.rs"]
mod breaker;
#[path = "dataplane/by_model.rs"]
mod by_model;
#[path = "dataplane/callers.rs"]
mod callers;
#[path = "dataplane/capabilities.rs"]
mod capabilities;
#[path = "dataplane/chaos.rs"]
mod chaos;
#[path = "dataplane/choosing.rs"]
mod choosing;
#[path = "dataplane/clients.rs"]
mod clients;
#[path = "dataplane/clouds.rs"]
mod clouds;
#[path = "dataplane/compact.rs"]
mod compact;
#[path = "dataplane/compressed.rs"]
mod compressed;
#[path = "dataplane/connections.rs"]
mod connections;
#[path = "dataplane/counting.rs"]
mod counting;
#[path = "dataplane/dashboards.rs"]
mod dashboards;
#[path = "dataplane/drain.rs"]
mod drain;
#[path = "dataplane/embeddings.rs"]
mod embeddings;
#[path = "dataplane/endpoints.rs"]
mod endpoints;
#[path = "dataplane/failover.rs"]
mod failover;
#[path = "dataplane/fetching.rs"]
mod fetching;
#[path = "dataplane/headers.rs"]
mod headers;
#[path = "dataplane/health_checks.rs"]
mod health_checks;
#[path = "dataplane/host.rs"]
mod host;
#[path = "dataplane/inside.rs"]
mod inside;
#[path = "dataplane/issuer.rs"]
mod issuer;
#[path = "dataplane/keys.rs"]
mod keys;
#[path = "dataplane/leaving.rs"]
mod leaving;
#[path = "dataplane/limits.rs"]
mod limits;
#[path = "dataplane/long.rs"]
mod long;
#[path = "dataplane/order.rs"]
mod order;
#[path = "dataplane/own_identity.rs"]
mod own_identity;
#[path = "dataplane/pairs.rs"]
mod pairs;
#[path = "dataplane/passthrough.rs"]
mod passthrough;
#[path = "dataplane/patience.rs"]
mod patience;
#[path = "dataplane/raw.rs"]
mod raw;
#[path = "dataplane/resume.rs"]
mod resume;
#[path = "dataplane/retries.rs"]
mod retries;
#[path = "dataplane/routes.rs"]
mod routes;
#[path = "dataplane/rows.rs"]
mod rows;
#[path = "dataplane/scripted.rs"]
mod scripted;
#[path = "dataplane/spill.rs"]
mod spill;
#[path = "dataplane/streams.rs"]
mod streams;
#[path = "dataplane/support.rs"]
mod support;
#[path = "dataplane/swap_storm.rs"]
mod swap_storm;
#[path = "dataplane/target_limits.rs"]
mod target_limits;
#[path = "dataplane/tls.rs"]
mod tls;
#[path = "dataplane/tokens.rs"]
mod tokens;
#[path = "dataplane/translation.rs"]
mod translation;
#[path = "dataplane/vectors.rs"]
mod vectors;
