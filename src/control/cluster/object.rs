//! A custom resource as it comes over the watch, decoded so that decoding cannot fail.
//!
//! kube decodes a list as a whole: one item that its type refuses would cost all the others, on
//! every retry. So this type takes any JSON value, keeps what compile and status need, drops the
//! rest (`managedFields` are most of an object's bytes) and says what is wrong with it.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::compile::Raw;
use crate::control::inventory::{Stored, Unusable};
use crate::table::ObjectName;

/// One watched object.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    metadata: ObjectMeta,
    spec: Value,
    status: Value,
    /// Why the metadata could not be read.
    problem: Option<String>,
}

impl Observed {
    /// Who it is, as far as it says.
    pub(super) fn name(&self) -> Option<ObjectName> {
        let (namespace, name) =
            (self.metadata.namespace.as_deref()?, self.metadata.name.as_deref()?);
        Some(ObjectName::new(namespace, name))
    }

    /// Whether `spec.gateway` names this installation. Left out it means `default`, as the schema
    /// says; something that is no text names nobody.
    pub(super) fn belongs_to(&self, gateway: &str) -> bool {
        match self.spec.get("gateway") {
            None | Some(Value::Null) => gateway == "default",
            Some(name) => name.as_str() == Some(gateway),
        }
    }

    /// As compile and status take it, or why it cannot be used.
    pub(super) fn into_stored(self) -> Result<Stored, Unusable> {
        let unusable =
            |object: String, reason: &str| Unusable { object, reason: reason.to_owned() };
        let Some(name) = self.name() else {
            let seen = self.metadata.name.unwrap_or_else(|| "(no name)".to_owned());
            return Err(unusable(seen, "`metadata` holds no namespace and name"));
        };
        if let Some(problem) = self.problem {
            return Err(unusable(name.to_string(), &problem));
        }
        let raw = Raw {
            name,
            uid: self.metadata.uid.unwrap_or_default().into(),
            created: self.metadata.creation_timestamp.map(|time| time.0.as_second()),
            generation: self.metadata.generation.unwrap_or_default(),
            spec: Arc::new(self.spec),
        };
        Ok(Stored { raw, status: Arc::new(self.status) })
    }
}

impl<'de> Deserialize<'de> for Observed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let mut take = |field| value.get_mut(field).map(Value::take).unwrap_or_default();
        let (mut metadata, spec, status) = (take("metadata"), take("spec"), take("status"));
        if let Some(fields) = metadata.as_object_mut() {
            fields.remove("managedFields");
        }
        let (metadata, problem) = match ObjectMeta::deserialize(&metadata) {
            Ok(decoded) => (decoded, None),
            Err(error) => (identity(&metadata), Some(format!("`metadata`: {error}"))),
        };
        Ok(Self { metadata, spec, status, problem })
    }
}

/// The fields that say who an object is and where the watch stands, whatever the others hold.
fn identity(metadata: &Value) -> ObjectMeta {
    let text = |field| metadata.get(field).and_then(Value::as_str).map(str::to_owned);
    ObjectMeta {
        name: text("name"),
        namespace: text("namespace"),
        resource_version: text("resourceVersion"),
        ..ObjectMeta::default()
    }
}

impl Resource for Observed {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        (&resource.kind).into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        (&resource.group).into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        (&resource.version).into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        (&resource.plural).into()
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

    fn observed(value: Value) -> Observed {
        serde_json::from_value(value).expect("decoding cannot fail")
    }

    #[test]
    fn an_ordinary_object_is_stored() {
        let stored = observed(json!({
            "apiVersion": "pilothouse.dev/v1alpha1", "kind": "ModelRoute",
            "metadata": {
                "namespace": "ai", "name": "gpt", "uid": "u1", "generation": 3,
                "creationTimestamp": "1970-01-01T00:01:40Z", "managedFields": "not even a list",
            },
            "spec": {"targets": []}, "status": {"conditions": []},
        }))
        .into_stored()
        .unwrap();
        assert_eq!(stored.raw.name, ObjectName::new("ai", "gpt"));
        assert_eq!((stored.raw.created, stored.raw.generation), (Some(100), 3));
        assert_eq!(*stored.raw.spec, json!({"targets": []}));
        assert_eq!(*stored.status, json!({"conditions": []}));
    }

    #[test]
    fn any_json_value_decodes_and_the_unusable_say_why() {
        for value in [json!(null), json!(7), json!([]), json!({}), json!({"metadata": "x"})] {
            let unusable = observed(value).into_stored().unwrap_err();
            assert_eq!(unusable.object, "(no name)");
        }
        let labels = json!({"metadata": {"namespace": "a", "name": "b", "labels": 5}});
        let unusable = observed(labels).into_stored().unwrap_err();
        assert_eq!(unusable.object, "a/b");
        assert!(unusable.reason.starts_with("`metadata`: "), "{}", unusable.reason);
    }

    #[test]
    fn the_gateway_decides_whose_object_it_is() {
        let of = |spec: Value| observed(json!({"spec": spec}));
        assert!(of(json!({})).belongs_to("default"));
        assert!(!of(json!({})).belongs_to("edge"));
        assert!(of(json!({"gateway": "edge"})).belongs_to("edge"));
        assert!(!of(json!({"gateway": "edge"})).belongs_to("default"));
        assert!(!of(json!({"gateway": 1})).belongs_to("default"));
    }
}
