//! Generation parameters under one set of names, whatever the provider calls them.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The names that `drop` may list: the fields of [`ParameterValues`].
pub const PARAMETER_NAMES: &[&str] = &[
    "frequencyPenalty",
    "maxOutputTokens",
    "presencePenalty",
    "reasoningEffort",
    "seed",
    "stop",
    "temperature",
    "topK",
    "topP",
    "user",
];

/// What is changed in a request's generation parameters. A parameter that the target's protocol
/// has no place for is left out.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = drop_is_disjoint())]
pub struct ParametersSpec {
    /// Used where the client gives no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<ParameterValues>,

    /// Used whatever the client gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<ParameterValues>,

    /// Taken out of the client's request, for models that refuse them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "drop_list")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub drop: Vec<String>,
}

/// Values of generation parameters. Only what is set here is touched.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ParameterValues {
    /// Randomness of sampling, from 0 (none) to 2; Anthropic's models take up to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,

    /// Sample only from the most likely tokens that together have this probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub top_p: Option<f64>,

    /// Sample only from this many of the most likely tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub top_k: Option<i64>,

    /// The longest answer in tokens, reasoning included: `max_completion_tokens`, `max_tokens` or
    /// `max_output_tokens` in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_output_tokens: Option<i64>,

    /// Texts at which generation stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub stop: Option<Vec<String>>,

    /// Makes sampling repeatable, as far as the provider can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,

    /// Above 0, new subjects are favoured over those already in the text; from -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -2.0, max = 2.0))]
    pub presence_penalty: Option<f64>,

    /// Above 0, tokens are favoured less the more often they came already; from -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -2.0, max = 2.0))]
    pub frequency_penalty: Option<f64>,

    /// How much the model reasons before it answers, in the provider's own word: `minimal`,
    /// `low`, `medium`, `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub reasoning_effort: Option<String>,

    /// Who the end user is, for the provider's abuse detection: `user`, or `metadata.user_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
}

/// Free JSON under the provider's own names.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(transparent)]
pub struct RawParameters(pub Map<String, Value>);

impl JsonSchema for RawParameters {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawParameters".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 64,
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}

/// Spelled out name by name: to CEL an object is no map that could be asked for a key.
fn drop_is_disjoint() -> Rule {
    let clash = |name: &&str| {
        format!(
            "('{name}' in self.drop \
              && ((has(self.defaults) && has(self.defaults.{name})) \
              || (has(self.overrides) && has(self.overrides.{name}))))"
        )
    };
    let clashes: Vec<String> = PARAMETER_NAMES.iter().map(clash).collect();
    Rule::new(format!("!has(self.drop) || !({})", clashes.join(" || ")))
        .message("a parameter in `drop` must not be in `defaults` or `overrides` too")
}

fn drop_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": PARAMETER_NAMES.len(),
        "items": { "type": "string", "enum": PARAMETER_NAMES },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_lists_exactly_the_fields_of_the_values() {
        let schema = schemars::generate::SchemaSettings::openapi3()
            .into_generator()
            .into_root_schema_for::<ParameterValues>();
        let fields: Vec<&str> = schema
            .get("properties")
            .and_then(Value::as_object)
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        let mut sorted = fields.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, PARAMETER_NAMES);
    }
}
