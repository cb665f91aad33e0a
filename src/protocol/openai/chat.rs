//! Chat completions, legacy completions and embeddings: unnamed events, ended by `[DONE]`.
//!
//! What passes as bytes is read here; what is translated goes through [`ChatDialect`].

mod answer;
mod dialect;
mod hash;
mod reasoning;
mod reply;
mod request;
mod stream;
pub mod vendor;
mod write;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{OpenAi, is_filled, read_error_object, read_reply};
use crate::protocol::error::ErrorView;
use crate::protocol::stream::{Meaning, StreamReader};
use crate::protocol::transcript::{Notes, Unresumable};
use crate::protocol::usage::{self, Usage};
use crate::protocol::{Answers, Malformed, Protocol, Reply, read_object};
use crate::wire::sse::{KEEP_ALIVE, encode_event};

pub use dialect::ChatDialect;
// Legacy completions share what they have in common with these.
pub(super) use answer::{UsageOut, finish_word};
pub(super) use reply::read as read_chat_reply;
pub(super) use request::{read_sampling, read_stop};
pub(super) use stream::{ChunkReader, Chunks};
pub(super) use write::write_completion;

/// Answers to chat completions, completions and embeddings.
#[derive(Debug)]
pub struct ChatAnswers;

impl Answers for ChatAnswers {
    fn stream(&self, choices: usize) -> Box<dyn StreamReader> {
        Box::new(ChatStream { expected: choices, ..ChatStream::default() })
    }

    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed> {
        read_reply(body)
    }

    fn read_tail(&self, tail: &[u8]) -> Result<Usage, Malformed> {
        Ok(usage::in_tail(tail)?.and_then(usage::read_openai).unwrap_or_default())
    }

    fn in_band_error(&self, error: &ErrorView<'_>) -> Bytes {
        encode_event(None, &OpenAi.write_error(error))
    }

    fn end_marker(&self) -> &'static [u8] {
        b"data: [DONE]\n\n"
    }

    fn keep_alive(&self) -> &'static [u8] {
        KEEP_ALIVE
    }
}

#[derive(Default)]
struct ChatStream {
    expected: usize,
    /// Indexes of the choices that have been seen.
    begun: Vec<i64>,
    /// Indexes of the choices that have a finish reason.
    finished: Vec<i64>,
    structured: bool,
    usage: Usage,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    // Some servers leave the index out where there is one choice only.
    #[serde(default)]
    index: Option<i64>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking_blocks: Option<&'a RawValue>,
}

impl StreamReader for ChatStream {
    fn read_noting(
        &mut self,
        _name: Option<&str>,
        data: &[u8],
        notes: Option<&mut Notes>,
    ) -> Result<Meaning, Malformed> {
        // Some servers send the marker with spaces behind it.
        if data.trim_ascii() == b"[DONE]" {
            // Servers that know nothing of `n` give one choice and are done.
            if !self.finished.is_empty() && self.finished.len() == self.begun.len() {
                self.expected = self.finished.len();
            }
            return Ok(Meaning::End);
        }
        let chunk: Chunk<'_> = read_object(data)?;
        if let Some(error) = chunk.error.filter(|raw| is_filled(Some(raw))) {
            return Ok(Meaning::Error(read_error_object(error)));
        }
        let usage = chunk.usage.and_then(usage::read_openai);
        if let Some(usage) = usage {
            self.usage.update(usage);
        }
        let choices = chunk.choices.unwrap_or_default();
        if choices.is_empty() {
            if let Some(notes) = notes
                && !self.begun.is_empty()
            {
                notes.skip();
            }
            return Ok(if usage.is_some() { Meaning::UsageOnly } else { Meaning::Preamble });
        }
        if let Some(notes) = notes {
            // The first chunk says who answers.
            note(&choices, !self.begun.is_empty(), notes);
        }
        let mut meaning = Meaning::Preamble;
        for choice in choices {
            self.read_choice(choice, &mut meaning);
        }
        if meaning == Meaning::Preamble && self.finished() {
            meaning = Meaning::Finished;
        }
        Ok(meaning)
    }

    fn finished(&self) -> bool {
        // Those too that nobody asked for: one of them ends no other.
        self.finished.len() >= self.expected.max(self.begun.len()).max(1)
    }

    fn structured(&self) -> bool {
        self.structured
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

/// Writes down what would have to be known to go on with the stream.
fn note(choices: &[Choice<'_>], begun: bool, notes: &mut Notes) {
    let [choice] = choices else { return notes.bar(Unresumable::Choices) };
    if choice.index.unwrap_or(0) != 0 {
        return notes.bar(Unresumable::Choices);
    }
    let delta = choice.delta.as_ref();
    let holds = |member: fn(&Delta<'_>) -> bool| delta.is_some_and(member);
    if holds(|delta| is_filled(delta.tool_calls) || is_filled(delta.function_call)) {
        return notes.bar(Unresumable::ToolCall);
    }
    if holds(|delta| is_filled(delta.refusal)) {
        return notes.bar(Unresumable::Refusal);
    }
    if holds(|delta| is_filled(delta.annotations)) {
        return notes.bar(Unresumable::Citations);
    }
    if holds(|delta| is_filled(delta.audio)) {
        return notes.bar(Unresumable::Media);
    }
    if !begun || is_filled(choice.finish_reason) || holds(|d| is_filled(d.thinking_blocks)) {
        return;
    }
    let text = delta.and_then(|delta| delta.content).filter(|text| is_filled(Some(text)));
    let text = text.or(choice.text.filter(|text| is_filled(Some(text))));
    let thought = delta.and_then(|delta| {
        let first = delta.reasoning_content.filter(|text| is_filled(Some(text)));
        first.or(delta.reasoning.filter(|text| is_filled(Some(text))))
    });
    match (text, thought) {
        (Some(text), None) => notes.text(text),
        (None, Some(thought)) => notes.thinking(thought),
        (None, None) => notes.skip(),
        // Whoever replays it knows the order.
        (Some(_), Some(_)) => {}
    }
}

impl ChatStream {
    fn read_choice(&mut self, choice: Choice<'_>, meaning: &mut Meaning) {
        if let Some(delta) = choice.delta {
            if is_filled(delta.tool_calls) || is_filled(delta.function_call) {
                self.structured = true;
                *meaning = Meaning::Structured;
            } else if is_filled(delta.content) || is_filled(delta.refusal) || is_filled(delta.audio)
            {
                *meaning = Meaning::Output;
            } else if (is_filled(delta.reasoning_content) || is_filled(delta.reasoning))
                && *meaning == Meaning::Preamble
            {
                *meaning = Meaning::Thinking;
            }
        }
        if is_filled(choice.text) {
            *meaning = Meaning::Output;
        }
        let index = choice.index.unwrap_or(0);
        if !self.begun.contains(&index) {
            self.begun.push(index);
        }
        if is_filled(choice.finish_reason) && !self.finished.contains(&index) {
            self.finished.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meanings(choices: usize, events: &[&str]) -> Vec<Result<Meaning, Malformed>> {
        let mut reader = ChatAnswers.stream(choices);
        events.iter().map(|data| reader.read(None, data.as_bytes())).collect()
    }

    #[test]
    fn a_stream_is_read_event_by_event() {
        let seen = meanings(
            1,
            &[
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}"#,
                r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
                r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#,
                "[DONE] ",
            ],
        );
        let expected = [
            Meaning::Preamble,
            Meaning::Thinking,
            Meaning::Output,
            Meaning::Finished,
            Meaning::UsageOnly,
            Meaning::End,
        ];
        assert_eq!(seen, expected.map(Ok));
    }

    #[test]
    fn every_choice_must_finish() {
        let mut reader = ChatAnswers.stream(2);
        let finish = |index| {
            format!(r#"{{"choices":[{{"index":{index},"delta":{{}},"finish_reason":"stop"}}]}}"#)
        };
        reader.read(None, finish(1).as_bytes()).expect("valid");
        // A second finish of the same choice, which some servers send, does not count twice.
        reader.read(None, finish(1).as_bytes()).expect("valid");
        assert!(!reader.finished());
        reader.read(None, finish(0).as_bytes()).expect("valid");
        assert!(reader.finished());
    }

    #[test]
    fn an_end_marker_ends_the_choices_that_there_are() {
        let finish = br#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        let text = br#"{"choices":[{"index":1,"delta":{"content":"a"}}]}"#;
        let mut reader = ChatAnswers.stream(2);
        reader.read(None, finish).expect("valid");
        assert!(!reader.finished());
        assert_eq!(reader.read(None, b"[DONE]"), Ok(Meaning::End));
        assert!(reader.finished());

        let mut reader = ChatAnswers.stream(2);
        reader.read(None, finish).expect("valid");
        reader.read(None, text).expect("valid");
        reader.read(None, b"[DONE]").expect("valid");
        assert!(!reader.finished(), "the second was cut");
    }

    #[test]
    fn deviations_of_known_servers_are_read() {
        let seen = meanings(
            1,
            &[
                r#"{"choices":null}"#,
                r#"{"choices":[{"delta":null,"finish_reason":""}]}"#,
                r#"{"id":"","model":"","choices":[],"prompt_filter_results":[]}"#,
                r#"{"choices":[{"text":"legacy","index":0,"finish_reason":null}]}"#,
                r#"{"error":{"message":"gone","code":502},"choices":[{"finish_reason":"error"}]}"#,
                r#"{"choices":[{"delta":{"content":"cut"#,
                "[]",
            ],
        );
        assert_eq!(
            seen[..4],
            [
                Ok(Meaning::Preamble),
                Ok(Meaning::Preamble),
                Ok(Meaning::Preamble),
                Ok(Meaning::Output)
            ]
        );
        assert!(matches!(&seen[4], Ok(Meaning::Error(facts)) if facts.code == "502"));
        assert_eq!(seen[5..], [Err(Malformed), Err(Malformed)]);
    }

    #[test]
    fn tool_arguments_are_structured_to_the_end() {
        let mut reader = ChatAnswers.stream(1);
        let event = br#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a"}]}}]}"#;
        assert_eq!(reader.read(None, event), Ok(Meaning::Structured));
        assert!(reader.structured());
    }
}
