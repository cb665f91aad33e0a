//! What the gateway must know of a request body, read without touching the rest of it.

use std::fmt;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::json::{JsonError, Object};

/// The few members of a request that decide how it is routed and relayed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct RequestFacts {
    /// The model that was asked for.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// How many completions are to come: `n` for each prompt; at least 1.
    pub choices: usize,
    /// Whether the caller asked for usage in the stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// Whether the answer must fit a schema or be JSON, so that no event of it can be left out.
    pub structured: bool,
    /// Whether the model was asked to reason, which takes long and may not show.
    pub reasons: bool,
    /// A member that refers to what a provider keeps, if there is one: another provider does not
    /// know it, and a second try may do a thing twice.
    pub stateful: Option<&'static str>,
}

/// Members by which a model is asked to reason, of all APIs whose model stands in the body.
const REASONING: &[&str] = &["reasoning_effort", "reasoning", "thinking"];

/// Members that refer to what a provider keeps: of Responses, and of Messages (`container`).
const STATEFUL: &[&str] = &["previous_response_id", "conversation", "container"];
/// Parts of a conversation refer to files that were uploaded before by this member, in either API.
const FILE_ID: &str = "file_id";
/// Made once, since that takes longer than to look through a short request.
static QUOTED_FILE_ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"file_id\""));

/// Why a body is not a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not JSON, not an object, or a member of the wrong type or given twice.
    #[error("request body: {0}")]
    Json(#[from] JsonError),
    /// Nothing says which model is wanted.
    #[error("`model` is missing: name the model you want")]
    NoModel,
}

#[derive(Deserialize)]
struct Format {
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl RequestFacts {
    /// Reads the facts from a request. A member of the top level that is given twice is refused,
    /// which closes the gap between a gateway that reads the first and a provider that reads the
    /// last.
    ///
    /// A model that stands in the path is not looked for in the body, whose members of that name and
    /// of `stream` are another API's then.
    pub fn read(object: &Object, in_path: Option<&str>) -> Result<Self, RequestError> {
        if let Some(model) = in_path {
            return Self::in_path(object, model);
        }
        let model = object.string("model")?.filter(|model| !model.is_empty());
        let stream = object.boolean("stream")?.unwrap_or(false);
        let options = if stream { object.object("stream_options")? } else { None };
        let include_usage = match options {
            Some(options) => options.boolean("include_usage")?.unwrap_or(false),
            None => false,
        };
        let format = match object.get::<Format>("response_format", "an object")? {
            Some(format) => Some(format),
            // Legacy completions have no formats, and their `text` would be no object.
            None => match object.raw("text")?.filter(|raw| raw.starts_with(b"{")) {
                Some(_) => match object.object("text")? {
                    Some(text) => text.get::<Format>("format", "an object")?,
                    None => None,
                },
                None => None,
            },
        };
        Ok(Self {
            model: model.ok_or(RequestError::NoModel)?.into_owned(),
            stream,
            choices: object
                .get::<u16>("n", "a number")?
                .map_or(1, |n| usize::from(n.max(1)))
                .saturating_mul(prompts(object)?),
            include_usage,
            structured: format
                .and_then(|format| format.kind)
                .is_some_and(|kind| kind.starts_with("json")),
            reasons: object.any_of(REASONING)?.is_some(),
            stateful: stateful(object)?,
        })
    }
}

impl RequestFacts {
    /// Of an API whose model stands in the path, such as Google's, whose members have two spellings
    /// (ProtoJSON).
    fn in_path(object: &Object, model: &str) -> Result<Self, RequestError> {
        let config = match object.object("generationConfig")? {
            Some(config) => Some(config),
            None => object.object("generation_config")?,
        };
        let mut facts = Self {
            model: model.to_owned(),
            stream: false,
            choices: 1,
            include_usage: false,
            structured: false,
            reasons: false,
            stateful: None,
        };
        let Some(config) = config else { return Ok(facts) };
        for name in ["candidateCount", "candidate_count"] {
            if let Some(count) = config.get::<u16>(name, "a number")? {
                facts.choices = usize::from(count.max(1));
            }
        }
        facts.reasons = config.any_of(&["thinkingConfig", "thinking_config"])?.is_some();
        for name in ["responseMimeType", "response_mime_type"] {
            let format = config.string(name)?;
            facts.structured |= format.is_some_and(|format| &*format == "application/json");
        }
        Ok(facts)
    }
}

fn stateful(object: &Object) -> Result<Option<&'static str>, JsonError> {
    if let Some(member) = object.any_of(STATEFUL)? {
        return Ok(Some(member));
    }
    if object.raw("background")? == Some(b"true") {
        return Ok(Some("background"));
    }
    // Inside a text its quotes would be escaped.
    let names_files = QUOTED_FILE_ID.find(object.text()).is_some();
    Ok(names_files.then_some(FILE_ID))
}

/// How many prompts a legacy completion holds, each of which gets its own choices; at least 1.
fn prompts(object: &Object) -> Result<usize, JsonError> {
    // In other APIs `prompt` is something else, if anything.
    if !object.raw("prompt")?.is_some_and(|raw| raw.starts_with(b"[")) {
        return Ok(1);
    }
    let prompts = object.get::<Prompts>("prompt", "a string or an array")?;
    Ok(prompts.map_or(1, |prompts| prompts.0.max(1)))
}

/// The number of prompts in an array: of texts or of arrays of tokens. An array of plain tokens is
/// one prompt. Counted without keeping any of it.
struct Prompts(usize);

impl<'de> Deserialize<'de> for Prompts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;

        impl<'de> Visitor<'de> for Count {
            type Value = Prompts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Prompts, A::Error> {
                let first = array.next_element::<&RawValue>()?;
                let tokens = first.is_some_and(|first| !first.get().starts_with(['"', '[']));
                let mut count = usize::from(first.is_some());
                while array.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Prompts(if tokens { 1 } else { count }))
            }
        }

        deserializer.deserialize_seq(Count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &'static [u8]) -> Result<RequestFacts, RequestError> {
        RequestFacts::read(&Object::parse(body.into())?, None)
    }

    #[test]
    fn reads_what_routing_needs_and_skips_the_rest() {
        let facts = read(
            br#"{"messages":[{"role":"user","content":"hi"}],"model":"gpt \u0041","stream":true,"n":2,
                "stream_options":{"include_usage":true},"response_format":{"type":"json_schema"}}"#,
        )
        .expect("a request");
        assert_eq!(
            facts,
            RequestFacts {
                model: "gpt A".into(),
                stream: true,
                choices: 2,
                include_usage: true,
                structured: true,
                reasons: false,
                stateful: None,
            }
        );
    }

    #[test]
    fn what_routing_needs_is_read_of_googles_requests_too() {
        for body in [
            &br#"{"generationConfig":{"candidateCount":2,"responseMimeType":"application/json"}}"#[..],
            br#"{"generation_config":{"candidate_count":2,"response_mime_type":"application/json"}}"#,
        ] {
            let object = Object::parse(body.into()).expect("an object");
            let facts = RequestFacts::read(&object, Some("g")).expect("a request");
            assert_eq!((&*facts.model, facts.choices, facts.structured), ("g", 2, true));
        }
    }

    #[test]
    fn every_prompt_has_its_own_choices() {
        let cases: [(&[u8], usize); 7] = [
            (br#"{"model":"m","prompt":"a","n":2}"#, 2),
            (br#"{"model":"m","prompt":["a","b","c"],"n":2}"#, 6),
            (br#"{"model":"m","prompt":["a","b","c"]}"#, 3),
            (br#"{"model":"m","prompt":[1,2,3]}"#, 1),
            (br#"{"model":"m","prompt":[[1,2],[3]]}"#, 2),
            (br#"{"model":"m","prompt":[]}"#, 1),
            (br#"{"model":"m","prompt":{"id":"stored"}}"#, 1),
        ];
        for (body, choices) in cases {
            let text = String::from_utf8_lossy(body);
            assert_eq!(read(body).expect("a request").choices, choices, "{text}");
        }
    }

    #[test]
    fn a_member_given_twice_is_refused() {
        let error = read(br#"{"model":"cheap","model":"dear"}"#).expect_err("twice");
        assert!(error.to_string().contains("`model`"), "{error}");
    }

    #[test]
    fn a_missing_model_says_what_to_do() {
        for body in [&b"{}"[..], br#"{"model":""}"#, br#"{"model":null}"#] {
            assert!(matches!(read(body), Err(RequestError::NoModel)));
        }
    }
}
