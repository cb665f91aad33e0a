//! Which operation a path calls, and what it says about the model and the stream.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{OPERATIONS, Operation};

/// Stands for the model in the path of an operation.
pub(super) const MODEL: &str = "{model}";

/// An operation as a path calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The operation.
    pub operation: &'static Operation,
    /// The model, where it is in the path.
    pub model: Option<String>,
    /// The path asks for a stream by itself.
    pub streamed: bool,
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Operation {}

/// Google's versions of its API: the beta, by which the operations go, and those that its SDKs call
/// where they are told so, the stable one and the preview.
const BETA: &str = "/v1beta/models/";
const OTHERS: [&str; 2] = ["/v1/models/", "/v1alpha/models/"];

/// The operation of a path.
pub fn operation(path: &str) -> Option<Called> {
    // OpenAI has models there too, but calls none of them.
    let other = OTHERS.iter().find_map(|version| path.strip_prefix(version));
    let beta = other.map(|rest| format!("{BETA}{rest}"));
    let path = beta.as_deref().unwrap_or(path);
    OPERATIONS.iter().find_map(|operation| {
        let called = |template, streamed| {
            let Found { model } = find(template, path)?;
            Some(Called { operation, model, streamed })
        };
        called(operation.path, false).or_else(|| called(operation.stream_path?, true))
    })
}

/// What a path that fits a template has in the place of the model, if the template has such a place.
struct Found {
    model: Option<String>,
}

fn find(template: &str, path: &str) -> Option<Found> {
    let Some((before, after)) = template.split_once(MODEL) else {
        return (template == path).then_some(Found { model: None });
    };
    let name = path.strip_prefix(before)?.strip_suffix(after)?;
    let model = decoded(name).filter(|model| !model.is_empty())?;
    Some(Found { model: Some(model) })
}

/// A template with the model in its place.
pub fn fill(template: &'static str, model: &str) -> Cow<'static, str> {
    match template.split_once(MODEL) {
        None => Cow::Borrowed(template),
        Some((before, after)) => Cow::Owned(format!("{before}{}{after}", as_segment(model))),
    }
}

/// A name as one segment of a path: everything but unreserved characters is percent-encoded
/// (RFC 3986, section 2.3), slashes and colons of ARNs included. `@` may stand in a segment as it is
/// (section 3.3), and stands so in the names that Google gives to others' models.
fn as_segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

/// A part of a path without its percent-encoding; `None` if it is not UTF-8 or not encoded rightly.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, others) = rest.split_at_checked(2)?;
        let [high, low] = [digits[0], digits[1]].map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? << 4 | low?).ok()?);
        rest = others;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_documented_aliases_exist() {
        let streamed = |path| operation(path).map(|called| called.streamed);
        assert_eq!(streamed("/v1/chat/completions-stream"), Some(true));
        assert_eq!(streamed("/v1/messages-stream"), Some(true));
        assert_eq!(streamed("/v1/embeddings-stream"), None);
        assert_eq!(streamed("/v1/responses"), Some(false));
    }

    #[test]
    fn googles_other_versions_are_its_beta() {
        for version in ["v1", "v1beta", "v1alpha"] {
            let called = |method| operation(&format!("/{version}/models/gemini-x{method}"));
            let plain = called(":generateContent").expect("an operation");
            assert_eq!((plain.operation.name, plain.streamed), ("generate_content", false));
            assert_eq!(plain.model.as_deref(), Some("gemini-x"));
            assert!(called(":streamGenerateContent").expect("an operation").streamed);
            assert_eq!(called(""), None);
        }
    }

    #[test]
    fn a_model_is_read_out_of_a_path() {
        let template = "/model/{model}/converse";
        let cases = [
            ("/model/amazon.nova-pro-v1%3A0/converse", Some("amazon.nova-pro-v1:0")),
            ("/model/arn%3Aaws%2Fx/converse", Some("arn:aws/x")),
            ("/model/meta-llama/llama-3/converse", Some("meta-llama/llama-3")),
            ("/model//converse", None),
            ("/model/a%zz/converse", None),
            ("/model/a%+5/converse", None),
            ("/model/a/converse-stream", None),
        ];
        for (path, model) in cases {
            let read = find(template, path).and_then(|found| found.model);
            assert_eq!(read.as_deref(), model, "{path}");
        }
    }

    #[test]
    fn vector_24_a_model_is_one_segment_of_an_upstream_path() {
        let arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc";
        assert_eq!(
            fill("/model/{model}/converse", arn),
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc/converse"
        );
        assert_eq!(fill("/chat/completions", arn), "/chat/completions");
        assert_eq!(fill("/{model}:rawPredict", "claude@20250929"), "/claude@20250929:rawPredict");
    }
}
