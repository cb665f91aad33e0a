//! Which line of a file a field of an object stands on.

use std::collections::BTreeMap;

use serde_json::Value;

/// The lines of a value and of everything in it, in the value's own shape.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    line: u32,
    parts: Parts,
}

#[derive(Debug, Clone, Default)]
enum Parts {
    #[default]
    None,
    Items(Vec<Lines>),
    Fields(BTreeMap<Box<str>, Lines>),
}

impl Lines {
    pub(super) fn scalar() -> Self {
        Self::default()
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self { line: 0, parts: Parts::Items(items) }
    }

    pub(super) fn fields(fields: Vec<(Box<str>, Self)>) -> Self {
        Self { line: 0, parts: Parts::Fields(fields.into_iter().collect()) }
    }

    pub(super) fn set_line(&mut self, line: u32) {
        self.line = line;
    }

    /// The same lines, `by` further down the file.
    pub(super) fn shifted(mut self, by: u32) -> Self {
        self.shift(by);
        self
    }

    fn shift(&mut self, by: u32) {
        self.line = self.line.saturating_add(by);
        match &mut self.parts {
            Parts::None => {}
            Parts::Items(items) => items.iter_mut().for_each(|part| part.shift(by)),
            Parts::Fields(fields) => fields.values_mut().for_each(|part| part.shift(by)),
        }
    }

    /// The line of the value itself, counted from 1.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    /// The lines of a field, if it was written.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        match &self.parts {
            Parts::Fields(fields) => fields.get(name),
            Parts::None | Parts::Items(_) => None,
        }
    }

    /// The lines of the items, if this is a list.
    pub(super) fn items(&self) -> &[Self] {
        match &self.parts {
            Parts::Items(items) => items,
            Parts::None | Parts::Fields(_) => &[],
        }
    }

    /// The line of a field, or of the innermost part around it that was written.
    ///
    /// `path` is as the API server writes it: `spec.targets[2].model`, `metadata.labels[a.b/c]`.
    /// An item of a list of named things is also found by its name: `spec.targets[spare]`.
    pub(super) fn line_of(&self, path: &str, value: &Value) -> u32 {
        let (mut lines, mut value) = (self, value);
        for step in steps(path) {
            let Some((inner, inner_value)) = lines.enter(step, value) else { break };
            (lines, value) = (inner, inner_value);
        }
        lines.line
    }

    fn enter<'s>(&'s self, step: &str, value: &'s Value) -> Option<(&'s Self, &'s Value)> {
        match (&self.parts, value) {
            (Parts::Fields(fields), Value::Object(values)) => {
                Some((fields.get(step)?, values.get(step)?))
            }
            (Parts::Items(items), Value::Array(values)) => {
                let index = index_of(step, values)?;
                Some((items.get(index)?, values.get(index)?))
            }
            _ => None,
        }
    }
}

/// The value of a field, if it was written.
pub(super) fn value_at<'v>(path: &str, value: &'v Value) -> Option<&'v Value> {
    steps(path).try_fold(value, |value, step| match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(index_of(step, items)?),
        _ => None,
    })
}

fn index_of(step: &str, items: &[Value]) -> Option<usize> {
    let has_name = |item: &Value| item.get("name").is_some_and(|name| name == step);
    step.parse().ok().or_else(|| items.iter().position(has_name))
}

/// The steps of a field path: names between dots, indexes and keys between brackets.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches('.');
        if rest.is_empty() {
            return None;
        }
        let step;
        (step, rest) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']').unwrap_or((inner, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        Some(step.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_at_dots_and_brackets() {
        let cut = |path| steps(path).collect::<Vec<_>>();
        assert_eq!(
            cut("spec.targets[2].credentialRef.name"),
            ["spec", "targets", "2", "credentialRef", "name"]
        );
        assert_eq!(cut("metadata.labels[a.b/c]"), ["metadata", "labels", "a.b/c"]);
        assert_eq!(cut(""), Vec::<&str>::new());
        assert_eq!(cut("a[b"), ["a", "b"], "an unclosed bracket ends with the path");
    }
}
