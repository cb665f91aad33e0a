//! Fields that a schema does not know. `kubectl apply` refuses them, and rightly: a misspelt field
//! would be dropped in silence.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::shape::{item_schema, map_values, takes_any_field};
use super::{Problem, metadata};

/// Checks an object against its schema. The root's metadata has rules of its own.
pub(super) fn check(schema: &JSONSchemaProps, value: &Value, problems: &mut Vec<Problem>) {
    let fields = schema.properties.as_ref().map(|fields| fields.keys().map(String::as_str));
    let mut known: Vec<&str> = fields.into_iter().flatten().collect();
    known.extend(metadata::ROOT_FIELDS);
    check_top(&known, value, problems);
    for (name, field) in schema.properties.iter().flatten() {
        if let Some(inner) = value.get(name)
            && !metadata::ROOT_FIELDS.contains(&name.as_str())
        {
            descend(field, inner, name, problems);
        }
    }
}

/// Checks the names of an object's own fields.
pub(super) fn check_top(known: &[&str], value: &Value, problems: &mut Vec<Problem>) {
    for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !known.contains(&name.as_str()) {
            problems.push(unknown(name, name, known.iter().copied()));
        }
    }
}

fn descend(schema: &JSONSchemaProps, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(fields) => {
            let known = schema.properties.as_ref();
            for (name, inner) in fields {
                if let Some(field) = known.and_then(|known| known.get(name)) {
                    descend(field, inner, &format!("{path}.{name}"), problems);
                } else if let Some(every) = map_values(schema) {
                    descend(every, inner, &format!("{path}[{name}]"), problems);
                } else if !takes_any_field(schema) {
                    let known = known.into_iter().flatten().map(|(name, _)| name.as_str());
                    problems.push(unknown(&format!("{path}.{name}"), name, known));
                }
            }
        }
        Value::Array(items) => {
            if let Some(every) = item_schema(schema) {
                for (index, item) in items.iter().enumerate() {
                    descend(every, item, &format!("{path}[{index}]"), problems);
                }
            }
        }
        _ => {}
    }
}

fn unknown<'k>(path: &str, name: &str, known: impl Iterator<Item = &'k str>) -> Problem {
    let alike = known.filter_map(|known| Some((distance(name, known)?, known))).min();
    let hint = alike.map(|(_, known)| format!("; did you mean \"{known}\"?")).unwrap_or_default();
    Problem::new(path, format!("unknown field{hint}"))
}

/// How many letters must be added, removed, changed or swapped with the next to get from one name
/// to the other, letter case aside; `None` if the names are not alike.
fn distance(from: &str, to: &str) -> Option<usize> {
    let (from, to) = (from.to_ascii_lowercase().into_bytes(), to.to_ascii_lowercase().into_bytes());
    // A third of the letters wrong is no longer a slip. Long names are not compared at all: the
    // work grows with the square, and no field has such a name.
    let limit = from.len().min(to.len()) / 3;
    if from.len().max(to.len()) > 64 || from.len().abs_diff(to.len()) > limit {
        return None;
    }
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = last[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                let swapped: usize = before_last[j - 2];
                best = best.min(swapped + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|&distance| distance <= limit)
}
