//! CEL rules (`x-kubernetes-validations`), run from the schema that holds them.

use std::fmt;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

use super::Problem;

/// The rules of one schema.
pub(super) struct Rules {
    schema: CompiledSchema,
    validator: Validator,
    any: bool,
}

impl Rules {
    /// Compiles the rules; an error names the field whose rule is not CEL.
    pub(super) fn new(props: &JSONSchemaProps) -> Result<Self, Problem> {
        let json = serde_json::to_value(props)
            .map_err(|error| Problem::new("openAPIV3Schema", error.to_string()))?;
        let schema = compile_schema(&json);
        let any = survey(&schema, "")?;
        Ok(Self { schema, validator: Validator::new(), any })
    }

    /// Whether there is any rule.
    pub(super) fn any(&self) -> bool {
        self.any
    }

    /// Runs the rules over an object that has its defaults and fits its schema.
    pub(super) fn check(&self, value: &Value, problems: &mut Vec<Problem>) {
        if let Err(errors) = self.validator.validate_compiled(&self.schema, value, None) {
            let broken =
                errors.into_iter().map(|error| Problem::new(error.field_path, error.message));
            problems.extend(broken);
        }
    }
}

/// Whether there is a rule in a schema or below; an error if one did not compile.
fn survey(schema: &CompiledSchema, path: &str) -> Result<bool, Problem> {
    if let Some(error) = schema.compilation_errors().first() {
        return Err(Problem::new(path, error.to_string()));
    }
    let mut any = !schema.validations.is_empty();
    for (name, field) in &schema.properties {
        any |= survey(field, &format!("{path}.{name}"))?;
    }
    for inner in schema.items.iter().chain(&schema.additional_properties) {
        any |= survey(inner, &format!("{path}[*]"))?;
    }
    Ok(any)
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("any", &self.any).finish_non_exhaustive()
    }
}
