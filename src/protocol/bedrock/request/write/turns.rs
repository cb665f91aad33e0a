//! Messages, and the system's instructions: who speaks when.
//!
//! User and assistant take turns strictly, the user first; the results of calls stand at the
//! beginning of the turn after them.

use std::borrow::Cow;

use super::blocks::Draft;
use super::format::FormatPlan;
use super::shape::{Block, Message, Speaker};
use super::{CannotCross, Writer};
use crate::protocol::neutral::{Part, Role, Turn};

/// What stands where the API demands words and there are none.
pub(super) const FILLER: &str = ".";

impl<'a> Writer<'a, '_> {
    /// The system's instructions: those at the beginning, then those that stood further down.
    pub(super) fn system(
        &mut self,
        format: &FormatPlan<'_>,
    ) -> Result<Vec<Block<'a>>, CannotCross> {
        let mut system = Vec::new();
        for text in &self.request.system {
            if !text.text.trim().is_empty() {
                system.push(Block::Text(Cow::Borrowed(&text.text)));
                system.extend(self.cache_point(text.cache.as_ref())?.map(Block::CachePoint));
            }
        }
        for (index, turn) in self.request.turns.iter().enumerate() {
            if turn.role == Role::System && !self.stays(index) {
                self.crossing.adjusted(&format!("messages[{index}]"))?;
                self.instructions(turn, &mut system)?;
            }
        }
        if let FormatPlan::Asked(text) = format {
            system.push(Block::Text(Cow::Owned(text.clone())));
        }
        Ok(system)
    }

    /// Whether instructions may stay where they are: some models take them after the user's words
    /// and before those of the assistant.
    fn stays(&self, index: usize) -> bool {
        let turns = &self.request.turns;
        let before = index.checked_sub(1).map(|before| turns[before].role);
        let after = turns.get(index + 1).map(|turn| turn.role);
        self.facts.system_turns
            && before == Some(Role::User)
            && matches!(after, None | Some(Role::Assistant))
    }

    fn instructions(
        &mut self,
        turn: &'a Turn,
        blocks: &mut Vec<Block<'a>>,
    ) -> Result<(), CannotCross> {
        for part in &turn.parts {
            if let Part::Text { text, cache } = part
                && !text.trim().is_empty()
            {
                blocks.push(Block::Text(Cow::Borrowed(text)));
                blocks.extend(self.cache_point(cache.as_ref())?.map(Block::CachePoint));
            }
        }
        Ok(())
    }

    pub(super) fn messages(&mut self) -> Result<Vec<Message<'a>>, CannotCross> {
        let mut drafts: Vec<Draft<'a>> = Vec::new();
        for (index, turn) in self.request.turns.iter().enumerate() {
            let draft = match turn.role {
                Role::User | Role::Assistant => self.draft(turn, index)?,
                Role::System if self.stays(index) => {
                    let mut draft = Draft::new(Speaker::System);
                    self.instructions(turn, &mut draft.blocks)?;
                    draft
                }
                Role::System => continue,
            };
            match drafts.last_mut() {
                _ if draft.is_empty() => {}
                Some(last) if last.role == draft.role => last.append(draft),
                _ => drafts.push(draft),
            }
        }
        self.end_with_user(&mut drafts)?;
        self.begin_with_user(&mut drafts)?;
        let mut messages = Vec::with_capacity(drafts.len());
        let mut calls = Vec::new();
        for draft in drafts {
            let its_calls = draft.calls.clone();
            messages.push(draft.finish(&calls));
            calls = its_calls;
        }
        Ok(messages)
    }

    /// Words of the assistant at the end are to be continued, which not all models do.
    fn end_with_user(&mut self, drafts: &mut Vec<Draft<'a>>) -> Result<(), CannotCross> {
        let Some(last) = drafts.last_mut().filter(|last| last.role == Speaker::Assistant) else {
            return Ok(());
        };
        if self.facts.refuses_prefill {
            let message = "must not end with the assistant: this model does not continue it";
            self.crossing.refused("messages", message)?;
            drafts.pop();
        } else {
            last.trim_end();
        }
        Ok(())
    }

    fn begin_with_user(&mut self, drafts: &mut Vec<Draft<'a>>) -> Result<(), CannotCross> {
        match drafts.first() {
            Some(first) if first.role == Speaker::User => return Ok(()),
            Some(_) => self.crossing.adjusted("messages[0]")?,
            None if self.request.turns.iter().any(|turn| turn.role != Role::System) => {
                return Err(CannotCross::new("messages", "must hold words that are not blank"));
            }
            // Nothing but instructions.
            None => self.crossing.adjusted("messages")?,
        }
        let mut draft = Draft::new(Speaker::User);
        draft.blocks.push(Block::Text(Cow::Borrowed(FILLER)));
        drafts.insert(0, draft);
        Ok(())
    }
}
