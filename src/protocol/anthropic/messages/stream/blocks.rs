//! The blocks of a client's stream, which must not be interleaved.

use std::collections::VecDeque;

use crate::protocol::neutral::{OpaqueState, Origin};

/// What a block is.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Thinking(Option<OpaqueState>),
    Call { call: u32, id: String, name: String },
}

/// One block. Only the first in the queue is on the wire; the others wait for it to end.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// What has not been sent.
    pub(super) waiting: String,
    pub(super) ended: bool,
}

/// The blocks that have not been sent to their end.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) queue: VecDeque<Block>,
    /// A signature of Gemini's, which come after the words. Claude ends no answer with thinking,
    /// and clients take the last block for the answer: it is written only where something follows.
    /// Without it Gemini goes on all the same; it insists on those of calls alone.
    late: Option<OpaqueState>,
}

impl Blocks {
    /// More text, in the last block if that is one of text.
    pub(super) fn text(&mut self, text: &str) {
        self.last_or_new(|kind| matches!(kind, Kind::Text), || Kind::Text).push_str(text);
    }

    /// More thinking, in the last block if that is one of thinking that is not signed yet.
    pub(super) fn thinking(&mut self, text: &str) {
        let unsigned = |kind: &Kind| matches!(kind, Kind::Thinking(None));
        self.last_or_new(unsigned, || Kind::Thinking(None)).push_str(text);
    }

    /// The state of the thinking so far, or of none.
    pub(super) fn state(&mut self, state: &OpaqueState) {
        match self.queue.back_mut() {
            Some(Block { kind: Kind::Thinking(empty @ None), ended: false, .. })
                if !state.redacted =>
            {
                *empty = Some(state.clone());
            }
            Some(Block { kind: Kind::Text, .. }) if state.origin == Origin::Gemini => {
                self.late = Some(state.clone());
            }
            _ => self.push(Kind::Thinking(Some(state.clone()))),
        }
    }

    pub(super) fn end_thinking(&mut self) {
        if let Some(Block { kind: Kind::Thinking(_), ended, .. }) = self.queue.back_mut() {
            *ended = true;
        }
    }

    pub(super) fn call(&mut self, call: u32, id: &str, name: &str) {
        self.push(Kind::Call { call, id: id.to_owned(), name: name.to_owned() });
    }

    /// The call of that number, unless it has ended.
    pub(super) fn open_call(&mut self, number: u32) -> Option<&mut Block> {
        let is = |block: &&mut Block| {
            matches!(block.kind, Kind::Call { call, .. } if call == number) && !block.ended
        };
        self.queue.iter_mut().find(is)
    }

    /// The answer is over, and so are its blocks.
    pub(super) fn end(&mut self) {
        for block in &mut self.queue {
            block.ended = true;
        }
    }

    fn last_or_new(&mut self, fits: impl Fn(&Kind) -> bool, new: impl Fn() -> Kind) -> &mut String {
        if !self.queue.back().is_some_and(|last| !last.ended && fits(&last.kind)) {
            self.push(new());
        }
        let last = self.queue.back_mut().expect("one was there or was put there");
        &mut last.waiting
    }

    /// A new block ends the one before it, but for calls, whose end is told.
    fn push(&mut self, kind: Kind) {
        if let Some(last) = self.queue.back_mut()
            && !matches!(last.kind, Kind::Call { .. })
        {
            last.ended = true;
        }
        if let Some(state) = self.late.take() {
            let (kind, waiting) = (Kind::Thinking(Some(state)), String::new());
            self.queue.push_back(Block { kind, waiting, ended: true });
        }
        self.queue.push_back(Block { kind, waiting: String::new(), ended: false });
    }
}
