//! Joins the text of the target that goes on to the text that the client has already.
//!
//! How the two relate is told from the text alone: models that are asked to go on do so, but some
//! begin again, repeat the last sentence, or say first that they are about to go on. What is emitted
//! makes the client's text whole and holds nothing twice; where that cannot be known it is a
//! [`Mismatch`], for an honest error is better than a doubled paragraph.
//!
//! Text is held back until it is decided. At most the delivered text's own length is held, and a
//! little for a courtesy: whether an answer was begun again or is merely like the first, its last
//! word alone may tell. A true continuation is told after the few letters in which it differs from
//! everything that the delivered text ends with. From the start nothing is held, only compared.
//!
//! White space where the two meet is nobody's: models are shown the text without what it ends with,
//! and most write it anew. So what both have is emitted once.

mod courtesy;
mod decide;
mod follow;
mod overlap;
mod seam;

use super::continuation::Mode;
use decide::{Decision, Undecided};
use follow::{Follow, Followed};

/// Why a text does not go on with another. Reads on after `cannot be resumed: `.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Mismatch {
    /// It says the same in other words.
    #[error("the new answer differs from what was delivered")]
    Differs,
    /// It ended before it came to where the other stopped.
    #[error("the new answer is shorter than what was delivered")]
    Shorter,
    /// It may be the rest, or in part the same again.
    #[error("it is not certain where the new answer goes on")]
    Doubtful,
    /// The model thought, and then said nothing.
    #[error("the new answer holds no text")]
    Silent,
    /// The model declined.
    #[error("the model refused to go on")]
    Refused,
    /// Both together are not JSON, as was asked for.
    #[error("the resumed answer does not keep to its format")]
    Malformed,
}

/// Fewest bytes of a delivered text that a server is taken to repeat of its own accord when it was to
/// be continued. A continuation of one that is shorter may well begin with the same letters.
const REPEATED_PREFIX: usize = 24;
/// Bytes from which on an answer that departs from the delivered text was no accident.
const DEPARTED: usize = 64;
/// Longest white space between two pieces that is looked at.
const LONGEST_SPACE: usize = 1024;

/// Joins one text to another.
#[derive(Debug)]
pub struct Splice {
    state: State,
    /// What the delivered text ends with.
    space: String,
    /// Bytes that came again and were left out.
    repeated: usize,
}

#[derive(Debug)]
enum State {
    /// Decided: everything is new.
    Open,
    /// Decided; white space is held until what follows it is there.
    Joining(String),
    /// The text must be there again.
    Again(Follow),
    /// The text may be there again, before the rest of it.
    Perhaps { follow: Follow, held: String },
    /// Not decided.
    Undecided(Box<Undecided>),
}

impl Splice {
    /// Joins what comes to `delivered`, by the way in which it was asked for.
    pub fn new(mode: Mode, delivered: &str) -> Self {
        let words = delivered.trim_end();
        let space = delivered[words.len()..].to_owned();
        let state = match mode {
            _ if words.is_empty() => State::Joining(String::new()),
            Mode::FromStart => State::Again(Follow::new(words)),
            Mode::Prefill if words.len() < REPEATED_PREFIX => State::Joining(String::new()),
            Mode::Prefill => State::Perhaps { follow: Follow::new(words), held: String::new() },
            Mode::Continue => State::Undecided(Box::new(Undecided::new(words, &space))),
        };
        Self { state, space, repeated: 0 }
    }

    /// More of the new text; what of it goes to the client is appended to `out`.
    pub fn push(&mut self, text: &str, out: &mut String) -> Result<(), Mismatch> {
        match &mut self.state {
            State::Open => out.push_str(text),
            State::Joining(held) => {
                held.push_str(text);
                self.join(out, false);
            }
            State::Again(follow) => match follow.feed(text) {
                Followed::All => self.repeated += text.len(),
                Followed::Past(at) => {
                    self.repeated += at;
                    return self.go_on(&text[at..], out);
                }
                Followed::Departs => return Err(Mismatch::Differs),
            },
            State::Perhaps { follow, held } => {
                held.push_str(text);
                let before = held.len() - text.len();
                match follow.feed(text) {
                    Followed::All => {}
                    Followed::Past(at) => {
                        let rest = held[before + at..].to_owned();
                        self.repeated += before + at;
                        return self.go_on(&rest, out);
                    }
                    Followed::Departs if follow.reached() >= DEPARTED => {
                        return Err(Mismatch::Differs);
                    }
                    Followed::Departs => {
                        let held = std::mem::take(held);
                        return self.go_on(&held, out);
                    }
                }
            }
            State::Undecided(undecided) => {
                undecided.push(text);
                return self.decide(out, false);
            }
        }
        Ok(())
    }

    /// The new text is complete.
    pub fn finish(&mut self, out: &mut String) -> Result<(), Mismatch> {
        match &mut self.state {
            State::Open => {}
            State::Joining(_) => self.join(out, true),
            State::Again(_) => return Err(Mismatch::Shorter),
            State::Perhaps { follow, held } => {
                if follow.reached() >= DEPARTED {
                    return Err(Mismatch::Doubtful);
                }
                let held = std::mem::take(held);
                self.go_on(&held, out)?;
                self.join(out, true);
            }
            State::Undecided(_) => {
                self.decide(out, true)?;
                self.join(out, true);
            }
        }
        Ok(())
    }

    /// Bytes of the new text that the client had already.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    fn decide(&mut self, out: &mut String, finished: bool) -> Result<(), Mismatch> {
        let State::Undecided(undecided) = &mut self.state else { return Ok(()) };
        match undecided.decide(finished)? {
            Decision::Wait => Ok(()),
            Decision::From { at, between } => {
                let rest = undecided.take_from(at);
                self.repeated += at;
                out.push_str(between);
                self.go_on(&rest, out)
            }
        }
    }

    /// What is new begins with `rest`.
    fn go_on(&mut self, rest: &str, out: &mut String) -> Result<(), Mismatch> {
        self.state = State::Joining(String::new());
        self.push(rest, out)
    }

    /// Emits what is held as soon as its white space is complete.
    fn join(&mut self, out: &mut String, finished: bool) {
        let State::Joining(held) = &mut self.state else { return };
        let words = held.trim_start();
        if words.is_empty() && !finished && held.len() < LONGEST_SPACE {
            return;
        }
        let (space, words) = held.split_at(held.len() - words.len());
        out.push_str(seam::new_space(&self.space, space));
        out.push_str(words);
        self.state = State::Open;
    }
}

#[cfg(test)]
mod tests;
