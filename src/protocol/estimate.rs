//! How many tokens a prompt has, estimated: for providers that do not count themselves.
//!
//! The vocabularies of Claude and Gemini are not public, and those that are take some fifty
//! megabytes each in memory, so bytes are counted. Measured against OpenAI's `o200k_base`, English
//! prose has 4.1 bytes a token, JSON 3.7, code 3.7, Chinese 2.9; the result is within a fifth of the
//! truth for most prompts, and a little high rather than low.

use super::neutral::{Media, Part, Request, ResultPart, Source};

/// Bytes of a token in ASCII text, in tenths: between prose and code.
const ASCII: usize = 35;
/// ... in other scripts.
const OTHER: usize = 29;
/// What a message costs beside its text (OpenAI's cookbook has 3, and 1 for a name).
const MESSAGE: usize = 4;
/// What a tool costs beside its schema and description.
const TOOL: usize = 12;
/// A picture of common size (Anthropic: width times height by 750, about 1,600 at most; OpenAI's
/// high detail is of the same order).
const IMAGE: usize = 1600;
/// A second of sound (Gemini: 32, OpenAI: about 10), of which compressed audio has some 16 kB.
const AUDIO_SECOND: usize = 32;
const AUDIO_SECOND_BYTES: usize = 16 * 1024;
/// A page of a PDF (Anthropic: 1,500 to 3,000), which has some 50 kB.
const PAGE: usize = 2000;
const PAGE_BYTES: usize = 50 * 1024;

/// About how many tokens the prompt of a request has.
pub fn prompt_tokens(request: &Request) -> u64 {
    let system: usize = request.system.iter().map(|part| MESSAGE + text(&part.text)).sum();
    let turns: usize = request
        .turns
        .iter()
        .map(|turn| MESSAGE + turn.parts.iter().map(of_part).sum::<usize>())
        .sum();
    let tools: usize = request
        .tools
        .iter()
        .map(|tool| {
            let schema = tool.schema.as_ref().map_or("", |schema| schema.get());
            let description = tool.description.as_deref().unwrap_or_default();
            TOOL + text(&tool.name) + text(description) + text(schema)
        })
        .sum();
    (system + turns + tools) as u64
}

/// About how many tokens a text has by itself.
pub fn text_tokens(said: &str) -> u64 {
    text(said) as u64
}

fn of_part(part: &Part) -> usize {
    match part {
        Part::Text { text: said, .. } | Part::Refusal(said) => text(said),
        Part::Thinking { text: thought, .. } => text(thought),
        Part::Image(_) => IMAGE,
        Part::Audio(media) => bytes(media).div_ceil(AUDIO_SECOND_BYTES) * AUDIO_SECOND,
        Part::Document(media) => document(media),
        Part::ToolCall { name, arguments, .. } => TOOL + text(name) + text(arguments),
        Part::ToolResult { content, .. } => TOOL + content.iter().map(of_result).sum::<usize>(),
    }
}

fn of_result(part: &ResultPart) -> usize {
    match part {
        ResultPart::Text(said) => text(said),
        ResultPart::Image(_) => IMAGE,
        ResultPart::Document(media) => document(media),
    }
}

fn document(media: &Media) -> usize {
    match &media.source {
        Source::Text(said) => text(said),
        _ => bytes(media).div_ceil(PAGE_BYTES).max(1) * PAGE,
    }
}

/// The size of what is sent along; of what is elsewhere nothing is known.
fn bytes(media: &Media) -> usize {
    match &media.source {
        Source::Base64(data) => data.len() / 4 * 3,
        Source::Text(data) => data.len(),
        Source::Url(_) | Source::File(_) => 0,
    }
}

fn text(said: &str) -> usize {
    let ascii = said.bytes().filter(u8::is_ascii).count();
    (ascii * 10).div_ceil(ASCII) + ((said.len() - ascii) * 10).div_ceil(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::neutral::{Role, SystemText, Turn};

    fn said(text: &str) -> Request {
        let part = Part::Text { text: text.into(), cache: None };
        Request { turns: vec![Turn { role: Role::User, parts: vec![part] }], ..Request::default() }
    }

    #[test]
    fn prose_and_other_scripts_are_within_a_fifth() {
        // Counted with o200k_base: 19 and 17 tokens of text.
        let english = "The quick brown fox jumps over the lazy dog, and then it sleeps for the rest of the day.";
        let chinese = "敏捷的棕色狐狸跳过了懒狗，然后睡了一整天。";
        for (text, truth) in [(english, 20.0), (chinese, 20.0)] {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let estimate = (prompt_tokens(&said(text)) as f64) - 4.0;
            assert!(estimate > truth * 0.8 && estimate < truth * 1.4, "{text}: {estimate}");
        }
    }

    #[test]
    fn everything_that_is_sent_counts() {
        let small = prompt_tokens(&said("hi"));
        let mut request = said("hi");
        request.system.push(SystemText { text: "be brief".into(), cache: None });
        let with_system = prompt_tokens(&request);
        assert!(with_system > small);
        request.turns[0].parts.push(Part::Document(Media {
            source: Source::Base64("A".repeat(200_000)),
            media_type: Some("application/pdf".into()),
            name: None,
            detail: None,
            cache: None,
            field: String::new(),
        }));
        assert!(prompt_tokens(&request) >= with_system + 3 * 2000);
    }
}
