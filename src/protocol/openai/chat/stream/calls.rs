//! The calls of one streamed answer: which of them a fragment belongs to, and when each is complete.
//!
//! OpenAI numbers its calls and names each once. Others leave numbers or ids out, give every call
//! the number 0, repeat id and name with each fragment, or send everything at once.

use super::super::answer::Call;
use super::super::reasoning::call_state;
use crate::protocol::Malformed;
use crate::protocol::fragments::Arguments;
use crate::protocol::neutral::Event;

/// More calls than any model makes in one answer; bounds what a broken server can make us keep.
const MAX_CALLS: usize = 1024;

/// The calls of one answer.
#[derive(Default)]
pub(super) struct Calls(Vec<Open>);

#[derive(Default)]
struct Open {
    index: Option<i64>,
    id: String,
    name: String,
    /// Arguments that came before the name did.
    held: String,
    begun: bool,
    ended: bool,
    arguments: Arguments,
}

impl Calls {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether each has a name and arguments that are whole.
    pub fn complete(&self) -> bool {
        self.0.iter().all(|call| call.begun && call.arguments.is_whole())
    }

    /// Takes a fragment.
    pub fn push(
        &mut self,
        choice: u32,
        fragment: &Call<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let at = match self.find(fragment) {
            Some(at) => at,
            None => {
                self.end_whole(choice, events);
                if self.0.len() == MAX_CALLS {
                    return Err(Malformed);
                }
                self.0.push(Open { index: fragment.index, ..Open::default() });
                self.0.len() - 1
            }
        };
        let number = u32::try_from(at).map_err(|_| Malformed)?;
        let last = at + 1 == self.0.len();
        let open = &mut self.0[at];
        if open.id.is_empty() {
            open.id.clone_from(&fragment.id);
        }
        open.name = if open.name.is_empty() { fragment.name.clone() } else { open.name.clone() };
        let mut arguments = String::new();
        // Before what was held joins it, which was looked at when it came.
        open.arguments.push(&fragment.arguments, last)?;
        if !open.begun && !open.name.is_empty() {
            open.begun = true;
            let (id, name) = (open.id.clone(), open.name.clone());
            let state = call_state(fragment.extra);
            events.push(Event::ToolStart { choice, call: number, id, name, state });
            arguments = std::mem::take(&mut open.held);
        }
        arguments.push_str(&fragment.arguments);
        // Behind an end nothing but blanks comes.
        if arguments.is_empty() || open.ended {
            return Ok(());
        }
        if open.begun {
            events.push(Event::ToolArguments { choice, call: number, text: arguments });
        } else {
            open.held.push_str(&arguments);
        }
        Ok(())
    }

    /// Which call a fragment continues; `None` begins one.
    fn find(&self, fragment: &Call<'_>) -> Option<usize> {
        let last = self.0.len().checked_sub(1)?;
        let by_index = |index| self.0.iter().rposition(|call| call.index == Some(index));
        let named = !fragment.name.is_empty();
        if !fragment.id.is_empty()
            && let Some(at) = self.0.iter().rposition(|call| call.id == fragment.id)
        {
            let other = matches!((self.0[at].index, fragment.index), (Some(a), Some(b)) if a != b);
            return if other && named { None } else { Some(at) };
        }
        let at = match fragment.index {
            Some(index) => by_index(index),
            // Neither number nor name: more of the latest.
            None if !named => Some(last),
            None => None,
        }?;
        let open = &self.0[at];
        let new_id = !fragment.id.is_empty() && !open.id.is_empty();
        let new_name = named && !open.name.is_empty() && open.name != fragment.name;
        // A new id means a new call, but where it has no name: some servers give each fragment one.
        if (new_id && named) || new_name { None } else { Some(at) }
    }

    /// Ends the calls whose arguments are whole: another call begins. The ones without arguments
    /// may still get some.
    fn end_whole(&mut self, choice: u32, events: &mut Vec<Event>) {
        for (open, call) in self.0.iter_mut().zip(0..) {
            if open.begun && !open.ended && open.arguments.is_object() {
                open.ended = true;
                events.push(Event::ToolEnd { choice, call });
            }
        }
    }

    /// Ends them all: the answer has finished.
    pub fn finish(&mut self, choice: u32, events: &mut Vec<Event>) -> Result<(), Malformed> {
        for (open, call) in self.0.iter_mut().zip(0..) {
            if !open.begun {
                // It never got a name: there is nothing that could be called.
                return Err(Malformed);
            }
            if !open.ended {
                open.ended = true;
                events.push(Event::ToolEnd { choice, call });
            }
        }
        Ok(())
    }
}
