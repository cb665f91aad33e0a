//! Compile by its rules, one named test each.

mod broken;
mod consumers;
mod credentials;
mod destinations;
mod identities;
mod issuers;
mod names;
mod properties;
mod services;
mod targets;
mod world;

use world::{World, consumer, key_store, route};
