//! Schemas: JSON Schema, and Google's subset of OpenAPI's.
//!
//! `parameters` and `responseSchema` hold the subset, `parametersJsonSchema` and
//! `responseJsonSchema` JSON Schema; the neutral form is JSON Schema.

mod reduce;
mod tree;
mod widen;

pub(super) use reduce::{reduced, takes_nothing};
pub(super) use widen::widened;
