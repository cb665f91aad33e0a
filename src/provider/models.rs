//! What is known of models: data, which changes with every release.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::protocol::model::ModelFacts;

/// One line of the data.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Beginnings of names, lower case.
    names: Vec<String>,
    facts: ModelFacts,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("models.json")).expect("a test reads the data")
});
static UNKNOWN: LazyLock<ModelFacts> = LazyLock::new(ModelFacts::default);

/// What is known of a model, whatever its vendor's prefixes are (`us.anthropic.`, `openai/`). Of an
/// unknown one nothing is.
pub fn facts(model: &str) -> &'static ModelFacts {
    let name = plain_name(model);
    let matches = |row: &&Row| row.names.iter().any(|start| name.starts_with(&**start));
    ROWS.iter().find(matches).map_or(&UNKNOWN, |row| &row.facts)
}

/// The name without the prefixes by which clouds and routers address it.
fn plain_name(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    match name.rfind("anthropic.").map(|at| at + "anthropic.".len()) {
        Some(at) => name[at..].to_owned(),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::model::{Sampling, Thinking};

    #[test]
    fn the_data_is_read_and_a_longer_name_comes_before_its_beginning() {
        let names: Vec<&String> = ROWS.iter().flat_map(|row| &row.names).collect();
        assert!(!names.is_empty());
        for (at, name) in names.iter().enumerate() {
            let hidden_by = names[..at].iter().find(|earlier| name.starts_with(**earlier));
            assert_eq!(hidden_by, None, "`{name}` is never found");
        }
    }

    #[test]
    fn a_model_is_known_by_whatever_name_a_cloud_gives_it() {
        for name in [
            "claude-opus-4-7",
            "claude-opus-4-7-20260301",
            "claude-opus-4-7@20260301",
            "us.anthropic.claude-opus-4-7-v1:0",
            "anthropic/claude-opus-4-7",
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-opus-4-7-v1:0",
        ] {
            let facts = facts(name);
            assert_eq!(facts.sampling, Sampling::None, "{name}");
            assert_eq!(facts.thinking, Thinking::Effort, "{name}");
        }
        assert_eq!(facts("qwen3-coder:30b"), &ModelFacts::default());
    }
}
