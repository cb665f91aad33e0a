//! The parts of a structural schema that hold other schemas.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// The schema of the values of a map.
pub(super) fn map_values(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match schema.additional_properties.as_ref()? {
        JSONSchemaPropsOrBool::Schema(every) => Some(every),
        JSONSchemaPropsOrBool::Bool(_) => None,
    }
}

/// Whether fields are allowed of which nothing is said.
pub(super) fn takes_any_field(schema: &JSONSchemaProps) -> bool {
    schema.x_kubernetes_preserve_unknown_fields == Some(true)
        || matches!(schema.additional_properties, Some(JSONSchemaPropsOrBool::Bool(true)))
}

/// The schema of a list's items; a structural schema has one for all of them.
pub(super) fn item_schema(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match schema.items.as_ref()? {
        JSONSchemaPropsOrArray::Schema(every) => Some(every),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}
