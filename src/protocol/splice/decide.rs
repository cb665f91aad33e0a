//! What a continuation that was asked for in words begins with.

use super::Mismatch;
use super::courtesy::{Courtesy, Opening};
use super::overlap::{Found, Overlap};
use super::seam::{self, Seam};

/// Room for a courtesy and white space beside the delivered text itself.
const BESIDE: usize = 2048;

/// A continuation of which it is not known yet how it begins.
#[derive(Debug)]
pub(super) struct Undecided {
    delivered: String,
    /// What follows it.
    space: String,
    held: String,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// It may begin with a courtesy.
    Opening,
    /// It may begin with what was delivered. Up to which byte that was looked at, and whether more
    /// would tell no more.
    Matching { overlap: Box<Overlap>, courtesy: Option<Courtesy>, fed: usize, told: bool },
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// More of it is needed.
    Wait,
    /// What is new begins at this byte of what is held, after `between`.
    From { at: usize, between: &'static str },
}

const fn from(at: usize) -> Decision {
    Decision::From { at, between: "" }
}

impl Undecided {
    /// `delivered` ends with something that is no white space, but is followed by `space`.
    pub fn new(delivered: &str, space: &str) -> Self {
        let (delivered, space) = (delivered.to_owned(), space.to_owned());
        Self { delivered, space, held: String::new(), phase: Phase::Opening }
    }

    pub fn push(&mut self, text: &str) {
        self.held.push_str(text);
    }

    /// What is held from a byte on.
    pub fn take_from(&mut self, at: usize) -> String {
        let mut held = std::mem::take(&mut self.held);
        held.split_off(at)
    }

    pub fn decide(&mut self, finished: bool) -> Result<Decision, Mismatch> {
        if self.held.trim_start().is_empty() {
            return Ok(if finished { from(0) } else { Decision::Wait });
        }
        if let Phase::Opening = self.phase {
            let overlap = Box::new(Overlap::new(&self.delivered));
            let courtesy = match Courtesy::find(&self.held, finished) {
                Opening::Wait => return Ok(Decision::Wait),
                Opening::None => None,
                // The delivered text may have such words itself.
                Opening::Courtesy(found) => {
                    Some(found).filter(|found| !overlap.knows(&self.held[..found.end]))
                }
            };
            let fed = courtesy.as_ref().map_or(0, |courtesy| courtesy.end);
            self.phase = Phase::Matching { overlap, courtesy, fed, told: false };
        }
        self.match_overlap(finished)
    }

    fn match_overlap(&mut self, finished: bool) -> Result<Decision, Mismatch> {
        let Phase::Matching { overlap, courtesy, fed, told } = &mut self.phase else {
            return Ok(Decision::Wait);
        };
        while let Some(c) = self.held[*fed..].chars().next().filter(|_| !*told) {
            *fed += c.len_utf8();
            overlap.feed(c, *fed);
            *told = !c.is_whitespace() && !overlap.is_open();
        }
        if !*told {
            let too_much = self.held.len() > 2 * self.delivered.len() + BESIDE;
            if overlap.is_repetitive() || too_much {
                return Err(Mismatch::Doubtful);
            }
            if !finished {
                return Ok(Decision::Wait);
            }
            if overlap.is_within() && overlap.found() == Found::Nothing {
                return Err(Mismatch::Doubtful);
            }
        }
        let begin = courtesy.as_ref().map_or(0, |courtesy| courtesy.end);
        match overlap.found() {
            Found::Repeats(end) => {
                // A word that ended does not go on.
                let goes_on = self.held[end..].starts_with(char::is_alphanumeric);
                let doubtful = goes_on && !self.space.is_empty();
                if doubtful { Err(Mismatch::Doubtful) } else { Ok(from(end)) }
            }
            Found::Unclear => Err(Mismatch::Doubtful),
            Found::Departs => Err(Mismatch::Differs),
            Found::Few(end) => {
                let rest = &self.held[end..];
                if rest.is_empty() && !finished {
                    // Whether the last word goes on is still to be seen.
                    return Ok(Decision::Wait);
                }
                let chance = !self.space.is_empty() && rest.starts_with(char::is_alphanumeric);
                if chance {
                    self.true_continuation(begin, finished)
                } else {
                    Err(Mismatch::Doubtful)
                }
            }
            Found::Nothing if overlap.begins_alike() && !self.is_ended() => Err(Mismatch::Differs),
            // The next letter tells whether a sentence begins with it.
            Found::Nothing if !finished && self.is_one_letter() => Ok(Decision::Wait),
            Found::Nothing if self.begins_anew(begin) => Err(Mismatch::Doubtful),
            Found::Nothing => self.true_continuation(begin, finished),
        }
    }

    fn is_one_letter(&self) -> bool {
        let mut letters = self.held.trim_start().chars();
        letters.next().is_some_and(char::is_uppercase) && letters.next().is_none()
    }

    /// Whether a sentence begins where the delivered text is in the midst of one: whoever was asked to
    /// go on from words that it shows nothing of says it in words of its own.
    fn begins_anew(&self, begin: usize) -> bool {
        begin == 0 && !self.is_ended() && seam::begins_sentence(&self.delivered, &self.held)
    }

    /// Whether the delivered text ends with a sentence or a line.
    fn is_ended(&self) -> bool {
        seam::ends_sentence(&self.delivered) || self.space.contains('\n')
    }

    /// Nothing is repeated: what comes after `begin` is new.
    fn true_continuation(&self, begin: usize, finished: bool) -> Result<Decision, Mismatch> {
        let Phase::Matching { courtesy, .. } = &self.phase else { return Ok(Decision::Wait) };
        let ended = self.is_ended();
        let mut at = begin;
        if let Some(courtesy) = courtesy {
            match (courtesy.speaks_of_going_on, courtesy.polite, ended) {
                // In the middle of a sentence nobody says that by itself.
                (true, _, false) => at += Courtesy::line_end(&self.held[begin..])?,
                // A new sentence of the answer's own.
                (false, false, true) => at = 0,
                _ => return Err(Mismatch::Doubtful),
            }
        }
        match seam::between(&self.delivered, &self.space, &self.held[at..], finished) {
            Seam::Wait => Ok(Decision::Wait),
            Seam::Known(between) => Ok(Decision::From { at, between }),
            Seam::Doubtful => Err(Mismatch::Doubtful),
        }
    }
}
