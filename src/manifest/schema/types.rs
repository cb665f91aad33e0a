//! Types and formats of OpenAPI, on JSON values.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Number, Value};

/// The type that was expected, if the value is not of it.
pub(super) fn wrong_type<'s>(schema: &'s JSONSchemaProps, value: &Value) -> Option<&'s str> {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return (!value.is_string() && !is_integer(value)).then_some("integer or string");
    }
    let expected = schema.type_.as_deref().filter(|expected| !expected.is_empty())?;
    let fits = match expected {
        "integer" => is_integer(value),
        "number" => value.is_number(),
        expected => expected == type_name(value),
    };
    (!fits).then_some(expected)
}

/// As in Go: a whole number that fits 64 bits, or a float that holds one exactly.
fn is_integer(value: &Value) -> bool {
    const MAX_EXACT: f64 = 9_007_199_254_740_991.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().is_some_and(|value| value.fract() == 0.0 && value.abs() <= MAX_EXACT)
        }
        _ => value.is_i64(),
    }
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

pub(super) fn fits_format(number: &Number, format: &str) -> bool {
    let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    let within = |min: i128, max: i128| whole.is_none_or(|whole| (min..=max).contains(&whole));
    match format {
        "int32" => within(i32::MIN.into(), i32::MAX.into()),
        "uint32" => within(0, u32::MAX.into()),
        "int64" => within(i64::MIN.into(), i64::MAX.into()),
        "uint64" => within(0, u64::MAX.into()),
        _ => true,
    }
}
