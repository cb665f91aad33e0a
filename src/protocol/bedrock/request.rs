//! Requests.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::write;

/// Members of a request that the neutral form has no place for, and whether the client relies on
/// them. They are written back when the target speaks Converse too.
const BEYOND: &[(&str, bool)] = &[
    // What it asks for would be missing in the answer.
    ("additionalModelResponseFieldPaths", true),
    // It filters what goes in and comes out.
    ("guardrailConfig", true),
    ("performanceConfig", false),
    // It holds the values of a prompt that the model's id stands for.
    ("promptVariables", true),
];

/// What the names of members of `additionalModelRequestFields` begin with.
const ADDITIONAL: &str = "additionalModelRequestFields";

#[cfg(test)]
mod tests;
