//! Framings and bytes: knows no provider.
//!
//! A gateway that passes bodies through should touch only what it must. [`sse`] cuts a stream into
//! frames that still are the provider's own bytes, [`event_stream`] does the same with AWS's binary
//! frames; [`json`] changes single members of an object and leaves every other byte where it was, so
//! unknown fields, key order and number spelling survive.

pub mod event_stream;
pub mod json;
pub mod sse;
