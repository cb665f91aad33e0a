//! The data of a Secret, as the API server would store it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::{Map, Value};

use super::{Finding, Manifest};
use crate::table::SecretText;

/// What the API server accepts in one Secret.
const MAX_DATA_SIZE: usize = 1 << 20;

/// Length of a key; it has to be a file name when the Secret is mounted.
const MAX_KEY_LENGTH: usize = 253;

/// Reads `data` (base64) and `stringData` (plain, which wins), with what the API server would
/// refuse. Values that are not text are left out: no key of a provider is one.
pub(super) fn data(secret: &Manifest) -> (BTreeMap<String, SecretText>, Vec<Finding>) {
    let mut reading = Reading { secret, values: BTreeMap::new(), size: 0, findings: Vec::new() };
    reading.take("data", decode_base64);
    reading.take("stringData", |text| Ok(text.as_bytes().to_vec()));
    if reading.size > MAX_DATA_SIZE {
        let message = format!("Too long: may not be more than {MAX_DATA_SIZE} bytes");
        reading.findings.push(secret.error("data", message));
    }
    (reading.values, reading.findings)
}

struct Reading<'m> {
    secret: &'m Manifest,
    values: BTreeMap<String, SecretText>,
    size: usize,
    findings: Vec<Finding>,
}

impl Reading<'_> {
    fn take(&mut self, field: &str, decode: fn(&str) -> Result<Vec<u8>, &'static str>) {
        let entries = match self.secret.value.get(field) {
            None | Some(Value::Null) => return,
            Some(Value::Object(entries)) => entries,
            Some(_) => return self.report(field.to_owned(), "must be a map of keys to strings"),
        };
        self.take_entries(field, entries, decode);
    }

    fn take_entries(
        &mut self,
        field: &str,
        entries: &Map<String, Value>,
        decode: fn(&str) -> Result<Vec<u8>, &'static str>,
    ) {
        for (key, value) in entries {
            let path = format!("{field}[{key}]");
            if !is_key(key) {
                let rule = "Invalid value: a key consists of at most 253 alphanumeric characters, '-', '_' or '.'";
                self.report(path, rule);
                continue;
            }
            let text = match value {
                Value::Null => "",
                Value::String(text) => text,
                _ => {
                    self.report(path, "must be a string; quote it");
                    continue;
                }
            };
            match decode(text) {
                Ok(bytes) => {
                    self.size = self.size.saturating_add(bytes.len());
                    if let Ok(text) = std::str::from_utf8(&bytes) {
                        self.values.insert(key.clone(), SecretText::new(text));
                    }
                }
                Err(message) => self.report(path, message),
            }
        }
    }

    fn report(&mut self, field: String, message: &str) {
        self.findings.push(self.secret.error(field, message));
    }
}

fn decode_base64(text: &str) -> Result<Vec<u8>, &'static str> {
    // The API server skips line breaks, which `base64` puts after 76 characters.
    let joined = text.replace(['\r', '\n'], "");
    match serde_json::from_value(Value::String(joined)) {
        Ok(ByteString(bytes)) => Ok(bytes),
        Err(_) => Err("Invalid value: is not base64; write plain text below `stringData`"),
    }
}

fn is_key(key: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !key.is_empty()
        && key.len() <= MAX_KEY_LENGTH
        && key.chars().all(allowed)
        && key != "."
        && key != ".."
}

#[cfg(test)]
mod tests;
