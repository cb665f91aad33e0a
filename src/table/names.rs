//! Which route owns which model name inside one namespace.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;
use std::fmt;

/// A model name, or a pattern with one `*` at its start or its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelPattern {
    /// Exactly this name.
    Exact(Box<str>),
    /// Names that begin so (`gpt-*`); the empty prefix (`*`) matches every name.
    Prefix(Box<str>),
    /// Names that end so (`*-latest`).
    Suffix(Box<str>),
}

/// Why a model name or pattern is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing to match.
    #[error("is empty")]
    Empty,
    /// More than one `*`, or one in the middle.
    #[error("may hold one `*`, at its start or its end")]
    MisplacedStar,
}

impl ModelPattern {
    /// Reads a name or a pattern. Names are case-sensitive.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let pattern = match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(prefix), _) => Self::Prefix(prefix.into()),
            (None, Some(suffix)) => Self::Suffix(suffix.into()),
            (None, None) => Self::Exact(text.into()),
        };
        if pattern.literal().contains('*') {
            return Err(PatternError::MisplacedStar);
        }
        Ok(pattern)
    }

    /// Whether `model` is this name or fits this pattern.
    pub fn matches(&self, model: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *model,
            Self::Prefix(prefix) => model.starts_with(&**prefix),
            Self::Suffix(suffix) => model.ends_with(&**suffix),
        }
    }

    fn literal(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Suffix(text) => text,
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Exact(_) => 0,
            Self::Prefix(_) => 1,
            Self::Suffix(_) => 2,
        }
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// Most specific first: exact before pattern, then more literal characters, then prefix before
/// suffix, then the alphabet. Total, so that a match never depends on the order of input.
impl Ord for ModelPattern {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |p: &Self| (p.kind() != 0, Reverse(p.literal().chars().count()), p.kind());
        rank(self).cmp(&rank(other)).then_with(|| self.literal().cmp(other.literal()))
    }
}

impl PartialOrd for ModelPattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The names of one namespace, each with the index of the route that owns it.
#[derive(Debug, Default)]
pub struct NameScope {
    exact: HashMap<Box<str>, usize>,
    patterns: Vec<(ModelPattern, usize)>,
}

impl NameScope {
    /// Builds the scope from names and their owners. A name given twice keeps the first owner:
    /// the caller has decided conflicts already.
    pub fn new(owned: impl IntoIterator<Item = (ModelPattern, usize)>) -> Self {
        let mut scope = Self::default();
        for (pattern, route) in owned {
            match pattern {
                ModelPattern::Exact(name) => {
                    scope.exact.entry(name).or_insert(route);
                }
                pattern => scope.patterns.push((pattern, route)),
            }
        }
        // A stable sort keeps the owners of one pattern in the order in which they came.
        scope.patterns.sort_by(|a, b| a.0.cmp(&b.0));
        scope.patterns.dedup_by(|later, first| later.0 == first.0);
        scope
    }

    /// The routes whose names match `model`, the most specific match first.
    pub fn matches<'s>(&'s self, model: &'s str) -> impl Iterator<Item = usize> + 's {
        let patterns = self.patterns.iter().filter(|(pattern, _)| pattern.matches(model));
        self.exact.get(model).copied().into_iter().chain(patterns.map(|(_, route)| *route))
    }

    /// The exact names and their routes, in no order.
    pub fn exact_names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.exact.iter().map(|(name, route)| (&**name, *route))
    }
}
