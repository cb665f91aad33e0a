//! The blocks of a client's stream, which must not be interleaved.

use std::collections::VecDeque;

use crate::protocol::neutral::OpaqueState;

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
pub(super) struct Blocks(pub(super) VecDeque<Block>);

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
        match self.0.back_mut() {
            Some(Block { kind: Kind::Thinking(empty @ None), ended: false, .. })
                if !state.redacted =>
            {
                *empty = Some(state.clone());
            }
            _ => self.push(Kind::Thinking(Some(state.clone()))),
        }
    }

    pub(super) fn end_thinking(&mut self) {
        if let Some(Block { kind: Kind::Thinking(_), ended, .. }) = self.0.back_mut() {
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
        self.0.iter_mut().find(is)
    }

    /// The answer is over, and so are its blocks.
    pub(super) fn end(&mut self) {
        for block in &mut self.0 {
            block.ended = true;
        }
    }

    fn last_or_new(&mut self, fits: impl Fn(&Kind) -> bool, new: impl Fn() -> Kind) -> &mut String {
        if !self.0.back().is_some_and(|last| !last.ended && fits(&last.kind)) {
            self.push(new());
        }
        let last = self.0.back_mut().expect("one was there or was put there");
        &mut last.waiting
    }

    /// A new block ends the one before it, but for calls, whose end is told.
    fn push(&mut self, kind: Kind) {
        if let Some(last) = self.0.back_mut()
            && !matches!(last.kind, Kind::Call { .. })
        {
            last.ended = true;
        }
        self.0.push_back(Block { kind, waiting: String::new(), ended: false });
    }
}
