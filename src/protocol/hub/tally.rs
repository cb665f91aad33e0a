//! What is known of a stream by the events that it had.

use crate::protocol::neutral::Event;
use crate::protocol::stream::Meaning;
use crate::protocol::usage::Usage;

/// What is known of a stream by the events that it had.
#[derive(Debug, Default)]
pub(super) struct Tally {
    expected: usize,
    finished: Vec<u32>,
    begun: Vec<u32>,
    structured: bool,
    ended: bool,
    usage: Usage,
}

impl Tally {
    pub fn new(choices: usize) -> Self {
        Self { expected: choices.max(1), ..Self::default() }
    }

    /// Notes an event, and raises `meaning` to what it means if that is more.
    pub fn note(&mut self, event: &Event, meaning: &mut Meaning) {
        match event {
            Event::Text { choice, .. } | Event::Refusal { choice, .. } => {
                self.begin(*choice);
                if *meaning != Meaning::Structured {
                    *meaning = Meaning::Output;
                }
            }
            Event::ToolStart { choice, .. }
            | Event::ToolArguments { choice, .. }
            | Event::ToolEnd { choice, .. } => {
                self.begin(*choice);
                self.structured = true;
                *meaning = Meaning::Structured;
            }
            Event::Thinking { choice, .. }
            | Event::ThinkingState { choice, .. }
            | Event::ThinkingEnd { choice } => {
                self.begin(*choice);
                if *meaning == Meaning::Preamble {
                    *meaning = Meaning::Thinking;
                }
            }
            Event::Finish { choice, .. } => {
                self.begin(*choice);
                if !self.finished.contains(choice) {
                    self.finished.push(*choice);
                }
                if *meaning == Meaning::Preamble && self.finished() {
                    *meaning = Meaning::Finished;
                }
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Start { .. } | Event::Ping | Event::End | Event::Error(_) => {}
        }
    }

    fn begin(&mut self, choice: u32) {
        if !self.begun.contains(&choice) {
            self.begun.push(choice);
        }
    }

    /// Whether this is the first time that the stream ends.
    pub fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.ended, true)
    }

    /// The provider's own end has come: there will be no more choices than there were.
    pub fn close(&mut self) {
        self.expected = self.begun.len().max(1);
    }

    /// Whether every choice has finished, those too that nobody asked for: one of them ends no other.
    pub fn finished(&self) -> bool {
        self.finished.len() >= self.expected.max(self.begun.len())
    }

    pub fn structured(&self) -> bool {
        self.structured
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }
}
