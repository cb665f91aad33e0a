//! Wire protocols of models: what a request asks for, what a stream event means, how an error looks.
//!
//! Each protocol is a file here and a line in [`registry`]; nothing else names one.

pub mod registry;
