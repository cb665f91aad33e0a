//! The request by which another target is asked to go on with an answer that broke off.
//!
//! By true prefill, where that model goes on with words that are put into its mouth; else by a
//! continuation, which shows it what it is said to have written and asks for the rest; else from the
//! start, where what the client has already is left out of the answer ([`super::splice`]).

use super::dialect::{Continuation as Vendor, DialectId, TargetView};
use super::estimate::text_tokens;
use super::neutral::{Effort, Format, Part, Request, Role, SystemText, Turn};
use super::transcript::Unresumable;
use crate::wire::json::Object;

/// How a target is asked to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The conversation ends with the words so far, and the model goes on with them.
    Prefill,
    /// The words so far, and the wish of a user that they be continued.
    Continue,
    /// As if nothing had been said.
    FromStart,
}

impl Mode {
    /// For logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Continue => "continue",
            Self::FromStart => "from-start",
        }
    }
}

/// Fewest words that a model is asked to repeat, so that the pieces can be joined: with fewer it may
/// have come upon them by itself.
const ANCHOR_WORDS: usize = 6;
/// Fewest bytes of them.
const ANCHOR_BYTES: usize = 32;
/// Most bytes of them. What does not occur once only in so many is a table or a song, and more of it
/// would not help.
const ANCHOR_LIMIT: usize = 400;
/// What the words that a model repeats, and the way in which it does so, may cost beside the estimate.
const ANCHOR_TOKENS: u64 = 16;

/// Whether anybody could go on with the answer to this request.
pub fn check(request: &Request) -> Result<(), Unresumable> {
    let asks = |name: &str| request.beyond.iter().any(|member| member.field == name);
    if request.choices.is_some_and(|choices| choices > 1) || asks("best_of") {
        return Err(Unresumable::Choices);
    }
    if request.logprobs.is_some() || asks("logprobs") {
        return Err(Unresumable::Logprobs);
    }
    if asks("audio") || asks("modalities") || asks("generationConfig.responseModalities") {
        return Err(Unresumable::Media);
    }
    // `echo` and `suffix` put the answer between other text.
    if asks("echo") || asks("suffix") {
        return Err(Unresumable::Unrecorded);
    }
    let hosted = request.beyond.iter().any(|member| member.field.starts_with("tools["));
    if hosted || asks("web_search_options") {
        return Err(Unresumable::HostedTool);
    }
    Ok(())
}

/// Whether the answer to a client's request, as it came, is to be kept at a provider, where nobody else
/// can go on with it. What is kept without being asked for nobody can come back to, since a route with
/// several targets takes no ids of answers.
pub fn is_stored(request: &Object) -> bool {
    matches!(request.boolean("store"), Ok(Some(true)))
}

/// The best way to ask a target that is spoken to in `dialect`.
pub fn best_mode(
    request: &Request,
    delivered: &str,
    dialect: DialectId,
    target: &TargetView<'_>,
) -> Result<Mode, Unresumable> {
    let blank = delivered.trim().is_empty();
    match takes_prefill(request, dialect, target) {
        _ if blank => Ok(Mode::FromStart),
        true => Ok(Mode::Prefill),
        false if request.format.is_some() => Err(Unresumable::Structured),
        false => Ok(Mode::Continue),
    }
}

/// The way to ask when `refused` was refused; what a client does not see of it is the gateway's own
/// affair. `None` if there is none.
pub fn next_mode(request: &Request, refused: Mode) -> Option<Mode> {
    (refused != Mode::FromStart && request.format.is_none()).then_some(Mode::FromStart)
}

/// Whether the target is known to go on with words that end a conversation.
fn takes_prefill(request: &Request, dialect: DialectId, target: &TargetView<'_>) -> bool {
    if target.facts.refuses_prefill {
        return false;
    }
    match dialect {
        // The one text is all there is.
        DialectId::OpenAiCompletions => true,
        DialectId::OpenAiChat => target.quirks.continuation != Vendor::ByItself,
        // Claude refuses it together with thinking. Other models behind these APIs do as they like.
        DialectId::AnthropicMessages | DialectId::BedrockConverse => {
            target.model.contains("claude") && !thinks(request) && !target.facts.thinking_always
        }
        DialectId::OpenAiResponses | DialectId::Gemini => false,
    }
}

fn thinks(request: &Request) -> bool {
    request.reasoning.as_ref().is_some_and(|reasoning| {
        reasoning.adaptive
            || reasoning.budget.is_some_and(|budget| budget > 0)
            || reasoning.effort.is_some_and(|effort| effort != Effort::None)
    })
}

/// The request for a target that is to go on after `delivered`.
pub fn continuation(request: &Request, delivered: &str, mode: Mode, to: DialectId) -> Request {
    let mut next = request.clone();
    // White space at the end is refused by some, and tokens begin with it rather than end: the
    // model writes it anew (see `splice`).
    let words = delivered.trim_end();
    if words.is_empty() {
        return next;
    }
    match mode {
        Mode::FromStart => return next,
        Mode::Prefill => {
            let prompt = to == DialectId::OpenAiCompletions;
            put_last(&mut next, words, prompt);
            describe_format(&mut next);
            shorten(&mut next, text_tokens(words));
        }
        Mode::Continue => {
            put_last(&mut next, words, false);
            let anchor = anchor(words);
            let wish = Part::Text { text: wish(anchor), cache: None };
            next.turns.push(Turn { role: Role::User, parts: vec![wish] });
            let repeated = text_tokens(anchor) + ANCHOR_TOKENS;
            shorten(&mut next, text_tokens(words).saturating_sub(repeated));
        }
    }
    next
}

/// About how many tokens a request has more than the client's, for a target that is to go on after
/// `delivered`.
pub(in crate::protocol) fn added_tokens(delivered: &str, mode: Mode) -> u64 {
    let words = delivered.trim_end();
    match mode {
        Mode::Prefill if !words.is_empty() => text_tokens(words),
        Mode::Continue if !words.is_empty() => {
            text_tokens(words) + text_tokens(&wish(anchor(words)))
        }
        _ => 0,
    }
}

/// Puts words of the model at the end. With the client's own words for it they are one text.
fn put_last(request: &mut Request, words: &str, prompt: bool) {
    if let Some(last) = request.turns.last_mut()
        && (prompt || last.role == Role::Assistant)
        && let Some(Part::Text { text, .. }) = last.parts.last_mut()
    {
        text.push_str(words);
        return;
    }
    let part = Part::Text { text: words.to_owned(), cache: None };
    request.turns.push(Turn { role: Role::Assistant, parts: vec![part] });
}

/// Servers hold an answer to its format from its first word on, which was said: the format is told in
/// words instead, and the whole is looked at when it ends.
fn describe_format(request: &mut Request) {
    let text = match request.format.take() {
        None => return,
        Some(Format::JsonObject) => "The answer is one JSON object and nothing else.".to_owned(),
        Some(Format::JsonSchema { schema, .. }) => format!(
            "The answer is JSON that follows this schema, and nothing else: {}",
            schema.get()
        ),
    };
    request.system.push(SystemText { text, cache: None });
}

/// Takes what was delivered off the limit.
fn shorten(request: &mut Request, tokens: u64) {
    if let Some(limit) = &mut request.max_output_tokens {
        *limit = limit.saturating_sub(tokens).max(1);
    }
}

fn wish(anchor: &str) -> String {
    format!(
        "Your last message was cut off by a technical fault. Go on with it exactly where it \
         stopped, even in the middle of a word or a line, as if nothing had happened. So that the \
         two pieces can be joined, begin with its very last words, copied character for character, \
         and go straight on from there. Repeat nothing else of it; write no introduction, no \
         apology and no comment. Its last words are:\n\n{anchor}"
    )
}

/// The last words of a text, as many as it takes for them to stand there only once.
fn anchor(words: &str) -> &str {
    let mut seen = 0;
    let mut last = 0;
    for (at, _) in words.rmatch_indices(char::is_whitespace) {
        let tail = words[at..].trim_start();
        if tail.is_empty() || at + (words[at..].len() - tail.len()) == last {
            continue;
        }
        last = words.len() - tail.len();
        seen += 1;
        if tail.len() > ANCHOR_LIMIT {
            return within_limit(tail);
        }
        if seen >= ANCHOR_WORDS && tail.len() >= ANCHOR_BYTES && stands_once(words, tail) {
            return tail;
        }
    }
    within_limit(words)
}

fn stands_once(words: &str, tail: &str) -> bool {
    memchr::memmem::find(words.as_bytes(), tail.as_bytes()) == Some(words.len() - tail.len())
}

/// The end of a text that is no longer than the limit.
fn within_limit(text: &str) -> &str {
    let from = text.len().saturating_sub(ANCHOR_LIMIT);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[from..]
}

#[cfg(test)]
mod tests;
