//! What the simulator says to a [`Prompt`]: always the same to the same.

use serde_json::json;

use super::{
    fault::Fault,
    instance,
    prompt::{Format, Prompt, Tool, ToolChoice},
    tokens,
};

/// Follows the echo, again and again until the length that was asked for is reached. No word
/// depends on the server, so that a second simulator can continue what a first one began.
const FILLER: &str = "This answer comes from a simulated provider and was not written by a model. \
    It says the same words every time so that a test can compare them. ";

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
    pub(super) fn to(prompt: &Prompt, fault: &Fault, server: &str, choice: usize) -> Self {
        Self::calling(calls(prompt), prompt, fault, server, choice)
    }

    /// The same, but what is called was decided before.
    pub(super) fn calling(
        calls: Vec<Call>,
        prompt: &Prompt,
        fault: &Fault,
        server: &str,
        choice: usize,
    ) -> Self {
        let mut reply = Self { finish: Finish::Stop, ..Self::default() };
        let thoughts = fault.reasoning.unwrap_or(if prompt.reasoning { REASONING } else { 0 });
        reply.reasoning = filler(thoughts);
        reply.calls = calls;
        if reply.calls.is_empty() {
            reply.text = match &prompt.format {
                Format::Text => prose(prompt, fault.words, server, choice),
                Format::Json => json!({"said": echo(prompt), "server": server}).to_string(),
                Format::Schema(schema) => instance::of(schema).to_string(),
            };
            reply.continue_prefill(prompt);
            reply.heed_stops(prompt);
        } else {
            reply.finish = Finish::ToolCalls;
        }
        reply.heed_limit(prompt.limit);
        reply.count(prompt.tokens);
        reply
    }

    fn continue_prefill(&mut self, prompt: &Prompt) {
        let prefill = prompt.prefill.as_deref().unwrap_or_default();
        // A prefill must not end in a space on some APIs, where the continuation begins with it.
        if let Some(rest) = self.text.strip_prefix(prefill) {
            self.text = rest.to_owned();
        }
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
fn prose(prompt: &Prompt, words: Option<usize>, server: &str, choice: usize) -> String {
    let verb = if prompt.tools_returned { "The tools returned" } else { "You said" };
    let number = if choice == 0 { String::new() } else { format!("({}) ", choice + 1) };
    let text = format!("{number}{verb}: \"{}\". ", echo(prompt));
    let signature = format!("Served by {server}.");
    let Some(words) = words else {
        return text + FILLER + &signature;
    };
    let closing = tokens::count(&signature);
    let Some(room) = words.checked_sub(tokens::count(&text)) else {
        return tokens::tokens(&text).take(words).collect();
    };
    match room.checked_sub(closing) {
        Some(between) => text + &filler(between) + &signature,
        None => text + &filler(room),
    }
}

/// So many tokens of the filler, each followed by a space.
fn filler(count: usize) -> String {
    tokens::tokens(FILLER).cycle().take(count).collect()
}

fn echo(prompt: &Prompt) -> String {
    prompt.said.chars().take(ECHO).collect()
}

#[cfg(test)]
mod tests;
