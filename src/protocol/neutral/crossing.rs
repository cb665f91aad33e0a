//! What a request loses on its way to another protocol, and when that is too much.

use std::fmt;

/// What becomes of fields that the target's protocol has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compatibility {
    /// Harmless losses are warnings, others are refused.
    #[default]
    Standard,
    /// Every loss is refused.
    Strict,
    /// Every loss is a warning, but for those after which no right answer is possible.
    Lenient,
}

/// Something that was left out or changed: `x-pilothouse-warnings: code=dropped;param=seed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What happened to it.
    pub code: &'static str,
    /// The field, in the client's protocol.
    pub param: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code={};param={}", self.code, self.param)
    }
}

/// A request that the target's protocol cannot say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{param}` {message}")]
pub struct CannotCross {
    /// The field, in the client's protocol.
    pub param: String,
    /// Why not, and what to do about it.
    pub message: String,
}

impl CannotCross {
    /// A loss after which no right answer is possible, however lenient the route is.
    pub fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: param.into(), message: message.into() }
    }
}

/// The account of one request's crossing.
#[derive(Debug, Default)]
pub struct Crossing {
    compatibility: Compatibility,
    warnings: Vec<Warning>,
}

impl Crossing {
    /// An empty account.
    pub fn new(compatibility: Compatibility) -> Self {
        Self { compatibility, warnings: Vec::new() }
    }

    /// The field was left out; the answer's quality may differ, its kind does not.
    pub fn dropped(&mut self, param: &str) -> Result<(), CannotCross> {
        self.lost("dropped", param)
    }

    /// The field was changed into what the target can do.
    pub fn adjusted(&mut self, param: &str) -> Result<(), CannotCross> {
        self.lost("adjusted", param)
    }

    /// The field cannot be said there, and the client relies on it.
    pub fn refused(&mut self, param: &str, message: &str) -> Result<(), CannotCross> {
        if self.compatibility == Compatibility::Lenient {
            self.warn("dropped", param);
            return Ok(());
        }
        Err(CannotCross::new(param, message))
    }

    fn lost(&mut self, code: &'static str, param: &str) -> Result<(), CannotCross> {
        if self.compatibility == Compatibility::Strict {
            let message = "has no counterpart in the target's protocol, and the route is strict";
            return Err(CannotCross::new(param, message));
        }
        self.warn(code, param);
        Ok(())
    }

    fn warn(&mut self, code: &'static str, param: &str) {
        let warning = Warning { code, param: param.to_owned() };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// What was lost, each field once.
    pub fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }
}
