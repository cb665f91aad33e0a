//! A Secret as it comes over the watch: values go straight into types that cannot print themselves.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::compile::SecretData;
use crate::table::SecretText;

/// A Secret's name and data. Decoding takes any JSON value: kube logs the text of an answer that it
/// cannot decode, which must never happen to a Secret.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptSecret {
    metadata: ObjectMeta,
    data: BTreeMap<String, SecretText>,
    /// Keys whose values are no text and so can be no credential.
    binary: Vec<String>,
}

impl KeptSecret {
    pub(super) fn into_data(self, namespace: &str) -> SecretData {
        if !self.binary.is_empty() {
            let name = self.metadata.name.as_deref().unwrap_or_default();
            let keys = &self.binary;
            tracing::debug!(
                namespace,
                name,
                ?keys,
                "values of a Secret that are no UTF-8 are left out"
            );
        }
        SecretData::Present(self.data)
    }
}

impl<'de> Deserialize<'de> for KeptSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let metadata = value.get("metadata");
        let text = |field| metadata?.get(field)?.as_str().map(str::to_owned);
        let mut secret = Self {
            metadata: ObjectMeta {
                name: text("name"),
                namespace: text("namespace"),
                resource_version: text("resourceVersion"),
                ..ObjectMeta::default()
            },
            ..Self::default()
        };
        for (key, value) in value.get("data").and_then(Value::as_object).into_iter().flatten() {
            let bytes = ByteString::deserialize(value).ok();
            match bytes.as_ref().and_then(|bytes| std::str::from_utf8(&bytes.0).ok()) {
                Some(text) => {
                    secret.data.insert(key.clone(), SecretText::new(text));
                }
                None => secret.binary.push(key.clone()),
            }
        }
        Ok(secret)
    }
}

impl Resource for KeptSecret {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Secret::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Secret::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Secret::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Secret::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_decoded_trimmed_and_unprintable() {
        let secret: KeptSecret = serde_json::from_value(json!({
            "metadata": {"namespace": "ai", "name": "keys", "resourceVersion": "7"},
            // "sk-live-1\n", and bytes that are no text.
            "data": {"key": "c2stbGl2ZS0xCg==", "store": "/////w==", "odd": 5},
        }))
        .unwrap();
        assert!(!format!("{secret:?}").contains("sk-live"));
        assert_eq!(secret.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(secret.binary, ["odd", "store"]);
        let SecretData::Present(data) = secret.into_data("ai") else {
            panic!("present");
        };
        assert_eq!(data["key"].expose(), "sk-live-1");
    }

    #[test]
    fn any_json_value_decodes() {
        for value in [json!(null), json!("x"), json!({"data": []}), json!({"metadata": 1})] {
            assert!(serde_json::from_value::<KeptSecret>(value).is_ok());
        }
    }
}
