//! The names of errors in an issuer's answer. Nothing else of it is repeated: it might hold a secret.

use serde_json::Value;

/// What is read of an error's name; names are shorter, and longer texts are no names.
const LONGEST_NAME: usize = 64;

/// `error` of RFC 6749 section 5.2, `error.status` of Google's APIs, the numbers of Entra ID.
pub(super) fn names(answer: &Value) -> Vec<String> {
    let error = &answer["error"];
    let name = error.as_str().or(error["status"].as_str()).filter(|name| is_name(name));
    let number = answer["error_codes"][0].as_u64().map(|number| format!("AADSTS{number}"));
    name.map(str::to_owned).into_iter().chain(number).collect()
}

/// A status with the names of errors.
pub(super) fn told(status: u16, answer: &Value) -> String {
    match names(answer).as_slice() {
        [] => status.to_string(),
        names => format!("{status} ({})", names.join(", ")),
    }
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_names_alone() {
        for (answer, expected) in [
            (
                json!({ "error": "invalid_grant", "error_description": "for s3cret" }),
                "400 (invalid_grant)",
            ),
            (
                json!({ "error": { "status": "PERMISSION_DENIED", "message": "s3cret" } }),
                "400 (PERMISSION_DENIED)",
            ),
            (
                json!({ "error": "invalid_client", "error_codes": [7_000_215] }),
                "400 (invalid_client, AADSTS7000215)",
            ),
            (json!({ "error": "a text with s3cret" }), "400"),
            (json!({ "error": "x".repeat(65) }), "400"),
            (json!({ "error": "" }), "400"),
            (json!(["s3cret"]), "400"),
            (Value::Null, "400"),
        ] {
            assert_eq!(told(400, &answer), expected);
        }
    }
}
