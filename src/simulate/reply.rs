//! What the simulator says to a [`Prompt`]: always the same to the same.

mod going_on;

use serde_json::json;

use self::going_on::Begun;
use super::{
    answer::Refusal,
    fault::{Fault, GoesOn},
    instance,
    prompt::{Format, Prompt, Tool, ToolChoice},
    tokens,
};

/// Follows the echo, again and again until the length that was asked for is reached. No word
/// depends on the server, so that a second simulator can continue what a first one began.
const FILLER: &str = "This answer comes from a simulated provider and was not written by a model. \
    It says the same words every time so that a test can compare them. ";

/// What comes in place of the filler in other words.
const OTHER_FILLER: &str = "No model wrote these lines: a simulator did, in order that two answers \
    can be told from each other. ";

/// Most characters of the prompt that are repeated.
const ECHO: usize = 200;

/// Tokens of reasoning when it is asked for without a length.
const REASONING: usize = 12;

/// A whole answer.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) reasoning: String,
    pub(super) text: String,
    pub(super) calls: Vec<Call>,
    pub(super) finish: Finish,
    pub(super) usage: Usage,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    /// JSON.
    pub(super) arguments: String,
}

/// Why the answer ends.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Finish {
    #[default]
    Stop,
    /// This stop sequence would have come next.
    Sequence(String),
    Length,
    ToolCalls,
}

/// Tokens by the rule of [`super::tokens`].
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Usage {
    pub(super) input: usize,
    /// Reasoning included.
    pub(super) output: usize,
    pub(super) reasoning: usize,
}

impl Reply {
    /// The answer of the simulator `server`; `choice` tells several answers to one prompt apart.
    ///
    /// # Errors
    ///
    /// When it was begun elsewhere and the fault refuses to go on with it.
    pub(super) fn to(
        prompt: &Prompt,
        fault: &Fault,
        server: &str,
        choice: usize,
    ) -> Result<Self, Refusal> {
        Self::calling(calls(prompt), prompt, fault, server, choice)
    }

    /// The same, but what is called was decided before.
    ///
    /// # Errors
    ///
    /// As [`Reply::to`].
    pub(super) fn calling(
        calls: Vec<Call>,
        prompt: &Prompt,
        fault: &Fault,
        server: &str,
        choice: usize,
    ) -> Result<Self, Refusal> {
        let begun = Begun::of(prompt);
        let goes_on = begun.as_ref().map_or(fault.goes_on, |begun| begun.manner(fault.goes_on));
        if begun.is_some() && goes_on == GoesOn::Refuse {
            return Err(going_on::refusal());
        }
        let fault = &Fault { goes_on, ..fault.clone() };
        let said = begun.as_ref().map_or(&*prompt.said, |begun| begun.said);
        let mut reply = Self { finish: Finish::Stop, ..Self::default() };
        let thoughts = fault.reasoning.unwrap_or(if prompt.reasoning { REASONING } else { 0 });
        reply.reasoning = repeated(FILLER, thoughts);
        reply.calls = calls;
        if reply.calls.is_empty() {
            reply.text = match &prompt.format {
                Format::Text => prose(said, prompt.tools_returned, fault, server, choice),
                Format::Json => json!({"said": echo(said), "server": server}).to_string(),
                Format::Schema(schema) => instance::of(schema).to_string(),
            };
            if let Some(begun) = begun {
                reply.text = begun.gone_on_with(goes_on, reply.text);
            }
            reply.heed_stops(prompt);
        } else {
            reply.finish = Finish::ToolCalls;
        }
        reply.heed_limit(prompt.limit);
        reply.count(prompt.tokens);
        Ok(reply)
    }

    fn heed_stops(&mut self, prompt: &Prompt) {
        let stops = prompt.stops.iter().filter(|stop| !stop.is_empty());
        let first = stops.filter_map(|stop| Some((self.text.find(stop.as_str())?, stop))).min();
        if let Some((at, stop)) = first {
            self.text.truncate(at);
            self.finish = Finish::Sequence(stop.clone());
        }
    }

    /// Cuts the text to what the limit leaves after the reasoning. Calls are never cut: half of
    /// one would be of use to nobody.
    fn heed_limit(&mut self, limit: Option<usize>) {
        let Some(limit) = limit else { return };
        let left = limit.saturating_sub(tokens::count(&self.reasoning));
        let kept: usize = tokens::tokens(&self.text).take(left).map(str::len).sum();
        if kept < self.text.len() {
            self.text.truncate(kept);
            self.finish = Finish::Length;
        }
    }

    fn count(&mut self, input: usize) {
        let reasoning = tokens::count(&self.reasoning);
        let calls = self.calls.iter().map(Call::tokens).sum::<usize>();
        let output = reasoning + calls + tokens::count(&self.text);
        self.usage = Usage { input, output, reasoning };
    }
}

impl Call {
    fn tokens(&self) -> usize {
        tokens::count(&self.name) + tokens::count(&self.arguments)
    }
}

/// Which tools are called. Forced ones always; else those whose name the user says, or the first
/// one when the user says `tool`. All of them when the user says `parallel` (an only one twice),
/// unless parallel calls are off.
fn calls(prompt: &Prompt) -> Vec<Call> {
    if prompt.tools_returned || prompt.choice == ToolChoice::None {
        return Vec::new();
    }
    let said = prompt.said.to_lowercase();
    let named = |tool: &&Tool| said.contains(&tool.name.to_lowercase());
    let mut chosen: Vec<&Tool> = match &prompt.choice {
        ToolChoice::Named(name) => prompt.tools.iter().filter(|tool| tool.name == *name).collect(),
        _ if said.contains("parallel") && prompt.parallel => match prompt.tools.as_slice() {
            [only] => vec![only, only],
            all => all.iter().collect(),
        },
        choice => {
            let mut named: Vec<_> = prompt.tools.iter().filter(named).collect();
            if named.is_empty() && (*choice == ToolChoice::Required || said.contains("tool")) {
                named.extend(prompt.tools.first());
            }
            named
        }
    };
    if !prompt.parallel {
        chosen.truncate(1);
    }
    chosen
        .into_iter()
        .map(|tool| Call {
            name: tool.name.clone(),
            arguments: instance::of(&tool.schema).to_string(),
        })
        .collect()
}

/// Without a length: echo, filler once, signature. With one: exactly that many tokens, the
/// signature last where there is room.
fn prose(said: &str, returned: bool, fault: &Fault, server: &str, choice: usize) -> String {
    let paraphrased = fault.goes_on == GoesOn::Paraphrase;
    let verb = match (returned, paraphrased) {
        (true, false) => "The tools returned",
        (true, true) => "What came of the tools was",
        (false, false) => "You said",
        (false, true) => "These were your words",
    };
    let words_of = if paraphrased { OTHER_FILLER } else { FILLER };
    let number = if choice == 0 { String::new() } else { format!("({}) ", choice + 1) };
    let text = format!("{number}{verb}: \"{}\". ", echo(said));
    let signature = format!("Served by {server}.");
    let Some(words) = fault.words else {
        return text + words_of + &signature;
    };
    let closing = tokens::count(&signature);
    let Some(room) = words.checked_sub(tokens::count(&text)) else {
        return tokens::tokens(&text).take(words).collect();
    };
    match room.checked_sub(closing) {
        Some(between) => text + &repeated(words_of, between) + &signature,
        None => text + &repeated(words_of, room),
    }
}

/// So many tokens of a filler, each followed by a space.
fn repeated(filler: &str, count: usize) -> String {
    tokens::tokens(filler).cycle().take(count).collect()
}

fn echo(said: &str) -> String {
    said.chars().take(ECHO).collect()
}

#[cfg(test)]
mod tests;
