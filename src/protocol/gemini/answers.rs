//! Answers that pass from a target to a client of Google's as they are: what they cost, and whether
//! they are whole.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::finish::Reason;
use super::stream::chunk::{Candidate, Chunk};
use super::{Gemini, error, usage as counts};
use crate::protocol::error::{ErrorFacts, ErrorView};
use crate::protocol::stream::{Meaning, StreamReader};
use crate::protocol::transcript::{Notes, Unresumable};
use crate::protocol::usage::{self, Usage};
use crate::protocol::{Answers, Malformed, Protocol, Reply, read_object};
use crate::wire::sse::encode_event;

/// Answers to `generateContent` and `streamGenerateContent`.
#[derive(Debug)]
pub struct GeminiAnswers;

#[derive(Deserialize)]
struct ReplyBody<'a> {
    #[serde(borrow, default, rename = "usageMetadata")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

impl Answers for GeminiAnswers {
    // A model may give fewer candidates than were asked for: those that begin are those that count.
    fn stream(&self, _choices: usize) -> Box<dyn StreamReader> {
        Box::new(Stream::default())
    }

    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed> {
        let reply: ReplyBody<'_> = read_object(body)?;
        Ok(Reply {
            usage: reply.usage.and_then(counts::read).unwrap_or_default(),
            error: reply.error.map(error::read_object),
        })
    }

    fn read_tail(&self, tail: &[u8]) -> Result<Usage, Malformed> {
        let found = usage::member_in_tail(tail, "usageMetadata")?;
        Ok(found.and_then(counts::read).unwrap_or_default())
    }

    fn in_band_error(&self, error: &ErrorView<'_>) -> Bytes {
        encode_event(None, &Gemini.write_error(error))
    }

    fn end_marker(&self) -> &'static [u8] {
        // The finish reasons are the end.
        b""
    }

    fn keep_alive(&self) -> &'static [u8] {
        // Google's SDKs for JavaScript fail at a line that is no data.
        b""
    }
}

#[derive(Debug, Default)]
struct Stream {
    /// Indexes of the candidates that have been seen.
    begun: Vec<u32>,
    /// Indexes of those that have a finish reason.
    finished: Vec<u32>,
    /// Indexes of those that have something to show.
    produced: Vec<u32>,
    /// A call whose arguments come in pieces is open.
    structured: bool,
    usage: Usage,
}

impl StreamReader for Stream {
    fn read_noting(
        &mut self,
        _name: Option<&str>,
        data: &[u8],
        notes: Option<&mut Notes>,
    ) -> Result<Meaning, Malformed> {
        let chunk = Chunk::read(data)?;
        if let Some(error) = chunk.error {
            return Ok(Meaning::Error(error::read_object(error)));
        }
        let usage = chunk.usage_metadata.and_then(counts::read);
        if let Some(usage) = usage {
            self.usage.update(usage);
        }
        if chunk.blocked() {
            add(&mut self.begun, 0);
            add(&mut self.finished, 0);
            return Ok(Meaning::Finished);
        }
        let candidates = chunk.candidates.unwrap_or_default();
        if candidates.is_empty() {
            if let Some(notes) = notes
                && !self.begun.is_empty()
            {
                notes.skip();
            }
            return Ok(if usage.is_some() { Meaning::UsageOnly } else { Meaning::Preamble });
        }
        if let Some(notes) = notes {
            // The first event says who answers.
            note(&candidates, !self.begun.is_empty(), notes);
        }
        let mut meaning = Meaning::Preamble;
        for candidate in candidates {
            if let Some(failure) = self.candidate(&candidate, &mut meaning) {
                return Ok(Meaning::Error(failure));
            }
        }
        if meaning == Meaning::Preamble && self.finished() {
            meaning = Meaning::Finished;
        }
        Ok(meaning)
    }

    fn finished(&self) -> bool {
        !self.finished.is_empty() && self.finished.len() == self.begun.len()
    }

    fn structured(&self) -> bool {
        self.structured
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Stream {
    /// Takes over what a candidate says; gives back its failure, if it failed without an answer.
    fn candidate(
        &mut self,
        candidate: &Candidate<'_>,
        meaning: &mut Meaning,
    ) -> Option<ErrorFacts> {
        let index = candidate.index.unwrap_or(0);
        add(&mut self.begun, index);
        let parts = candidate.content.as_ref().and_then(|content| content.parts.as_deref());
        for part in parts.unwrap_or_default() {
            let text = part.text.as_deref().is_some_and(|text| !text.is_empty());
            let thought = part.thought == Some(true);
            if let Some(call) = &part.function_call {
                self.structured = call.will_continue == Some(true);
                add(&mut self.produced, index);
                *meaning = Meaning::Structured;
            } else if (text || part.inline_data.is_some()) && !thought {
                add(&mut self.produced, index);
                if *meaning != Meaning::Structured {
                    *meaning = Meaning::Output;
                }
            } else if (text || part.thought_signature.is_some()) && *meaning == Meaning::Preamble {
                *meaning = Meaning::Thinking;
            }
        }
        let word = candidate.finish_reason.as_deref().unwrap_or_default();
        let reason = Reason::read(word)?;
        if reason == Reason::Failed && !self.produced.contains(&index) {
            let message = candidate.finish_message.clone().unwrap_or_default();
            return Some(ErrorFacts { kind: word.into(), message, ..ErrorFacts::default() });
        }
        self.structured = false;
        add(&mut self.finished, index);
        None
    }
}

/// Writes down what would have to be known to go on with the stream.
fn note(candidates: &[Candidate<'_>], begun: bool, notes: &mut Notes) {
    let [candidate] = candidates else { return notes.bar(Unresumable::Choices) };
    if candidate.index.unwrap_or(0) != 0 {
        return notes.bar(Unresumable::Choices);
    }
    if candidate.citation_metadata.is_some() || candidate.grounding_metadata.is_some() {
        return notes.bar(Unresumable::Citations);
    }
    let parts = candidate.content.as_ref().and_then(|content| content.parts.as_deref());
    let parts = parts.unwrap_or_default();
    for part in parts {
        if part.function_call.is_some() {
            return notes.bar(Unresumable::ToolCall);
        }
        if part.executable_code.is_some() || part.code_execution_result.is_some() {
            return notes.bar(Unresumable::HostedTool);
        }
        if part.inline_data.is_some() {
            return notes.bar(Unresumable::Media);
        }
    }
    if let ([part], true, None) = (parts, begun, &candidate.finish_reason)
        && let (Some(text), None) = (&part.text, &part.thought_signature)
    {
        if part.thought == Some(true) {
            notes.plain_thinking(text);
        } else {
            notes.plain_text(text);
        }
    }
}

fn add(list: &mut Vec<u32>, index: u32) {
    if !list.contains(&index) {
        list.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(events: &[&str]) -> (Vec<Meaning>, Box<dyn StreamReader>) {
        let mut reader = GeminiAnswers.stream(1);
        let read = |data: &&str| reader.read(None, data.as_bytes()).expect("valid");
        (events.iter().map(read).collect(), reader)
    }

    #[test]
    fn a_stream_is_read_event_by_event() {
        let (seen, reader) = read(&[
            r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}],"role":"model"}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}],"usageMetadata":{"promptTokenCount":3}}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}"#,
            r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}"#,
            r#"{"usageMetadata":{"thoughtsTokenCount":4}}"#,
        ]);
        let expected = [
            Meaning::Thinking,
            Meaning::Output,
            Meaning::Structured,
            Meaning::Finished,
            Meaning::UsageOnly,
        ];
        assert_eq!(seen, expected);
        assert!(reader.finished() && !reader.structured());
        assert_eq!(reader.usage().input, Some(3));
    }

    #[test]
    fn a_stream_is_finished_when_each_candidate_is() {
        let (_, reader) = read(&[
            r#"{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]}},{"index":1,"content":{"parts":[{"text":"b"}]}}]}"#,
            r#"{"candidates":[{"index":0,"finishReason":"STOP"}]}"#,
        ]);
        assert!(!reader.finished());
    }

    #[test]
    fn vector_88_a_refused_prompt_is_an_end() {
        let (seen, reader) = read(&[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#]);
        assert_eq!(seen, [Meaning::Finished]);
        assert!(reader.finished());
    }

    #[test]
    fn vector_87_a_failure_without_an_answer_is_an_error() {
        let (seen, reader) =
            read(&[r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#]);
        assert!(
            matches!(&seen[0], Meaning::Error(facts) if facts.kind == "MALFORMED_FUNCTION_CALL")
        );
        assert!(!reader.finished());
    }

    #[test]
    fn counts_are_found_in_the_end_of_a_reply() {
        let tail =
            br#"],"role":"model"}}],"usageMetadata":{"promptTokenCount":7},"modelVersion":"m"}"#;
        assert_eq!(GeminiAnswers.read_tail(tail).map(|usage| usage.input), Ok(Some(7)));
    }
}
