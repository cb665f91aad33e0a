//! Whom an object lets in: a grant to namespaces.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A choice of namespaces.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.from == 'Names' ? has(self.names) : !has(self.names)")
        .message("`names` is set if and only if `from` is Names"),
    validation = Rule::new("self.from == 'Selector' ? has(self.selector) : !has(self.selector)")
        .message("`selector` is set if and only if `from` is Selector")
)]
pub struct AllowedNamespaces {
    /// Which namespaces: `Same` is the object's own, `All` every one, `Names` those listed in
    /// `names`, `Selector` those whose labels fit `selector`.
    #[serde(default)]
    pub from: NamespacesFrom,

    /// The namespaces, with `from: Names`. The object's own is among them only if it is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Option<Vec<String>>,

    /// What the labels of a namespace must be, with `from: Selector`. Kubernetes labels every
    /// namespace with its own name as `kubernetes.io/metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<NamespaceSelector>,
}

/// How namespaces are chosen.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NamespacesFrom {
    /// The object's own namespace.
    #[default]
    Same,
    /// Every namespace.
    All,
    /// The namespaces that are listed.
    Names,
    /// The namespaces with certain labels.
    Selector,
}

/// A label selector that selects something: an empty one is refused, because readers disagree
/// about whether it means all or none.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.matchLabels) && size(self.matchLabels) > 0) \
                            || (has(self.matchExpressions) && size(self.matchExpressions) > 0)")
        .message("must not be empty: give `matchLabels` or `matchExpressions`, or say `from: All`")
)]
pub struct NamespaceSelector {
    /// Labels that a namespace must have, each with exactly this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub match_labels: BTreeMap<String, String>,

    /// Further conditions; all of them must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub match_expressions: Vec<LabelRequirement>,
}

/// One condition on a label.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.operator in ['In', 'NotIn'] \
                            ? (has(self.values) && size(self.values) > 0) \
                            : (!has(self.values) || size(self.values) == 0)")
        .message("`values` must be given with In and NotIn, and left out with Exists and DoesNotExist")
)]
pub struct LabelRequirement {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How the label is compared: `In`, `NotIn`, `Exists` or `DoesNotExist`. A namespace without
    /// the label fits `NotIn` and `DoesNotExist`.
    pub operator: LabelOperator,
    /// The values to compare with, for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is not there.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

impl NamespaceSelector {
    /// Whether it asks for nothing, which is a mistake and selects nothing.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether a namespace with these labels is selected.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.is_empty()
            && self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.holds(labels))
    }
}

impl LabelRequirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            LabelOperator::In => listed,
            LabelOperator::NotIn => !listed,
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn requirement(operator: LabelOperator, values: &[&str]) -> NamespaceSelector {
        NamespaceSelector {
            match_labels: BTreeMap::new(),
            match_expressions: vec![LabelRequirement {
                key: "tier".to_owned(),
                operator,
                values: values.iter().map(|value| (*value).to_owned()).collect(),
            }],
        }
    }

    #[test]
    fn an_empty_selector_selects_nothing() {
        assert!(!NamespaceSelector::default().selects(&labels(&[("tier", "gold")])));
    }

    #[test]
    fn operators_mean_what_kubernetes_means() {
        let gold = labels(&[("tier", "gold")]);
        let none = labels(&[]);
        let cases = [
            (requirement(LabelOperator::In, &["gold"]), true, false),
            (requirement(LabelOperator::NotIn, &["gold"]), false, true),
            (requirement(LabelOperator::Exists, &[]), true, false),
            (requirement(LabelOperator::DoesNotExist, &[]), false, true),
        ];
        for (selector, with, without) in cases {
            assert_eq!(selector.selects(&gold), with, "{selector:?}");
            assert_eq!(selector.selects(&none), without, "{selector:?}");
        }
    }
}
