//! The rest of a plain reply that is too long to be held.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::protocol::Answers;
use crate::protocol::usage::Usage;
use crate::proxy::events::StreamFault;
use crate::upstream::UpstreamBody;

/// How much of the end is kept to find the token counts in: they are some hundred bytes long and
/// come last, or before a few short members.
const TAIL: usize = 4 * 1024;

/// A plain reply that passes as it comes. Whether it is whole, and what it cost, stands in its end.
pub(in crate::proxy) struct LongReply {
    body: UpstreamBody,
    /// How to read it; `None` for one that is compressed.
    answers: Option<&'static dyn Answers>,
    tail: Vec<u8>,
    usage: Usage,
}

impl std::fmt::Debug for LongReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LongReply").field("usage", &self.usage).finish_non_exhaustive()
    }
}

impl LongReply {
    /// What follows in `body` after `begun`.
    pub fn new(body: UpstreamBody, begun: &[u8], answers: Option<&'static dyn Answers>) -> Self {
        let mut this = Self { body, answers, tail: Vec::new(), usage: Usage::default() };
        this.keep(begun);
        this
    }

    /// The next piece; `None` once it has ended as it should.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StreamFault>>> {
        Poll::Ready(match ready!(self.body.poll_data(cx)) {
            Some(Ok(data)) => {
                self.keep(&data);
                Some(Ok(data))
            }
            Some(Err(error)) => Some(Err(StreamFault::Broken(error.to_string()))),
            None => match self.answers.map(|answers| answers.read_tail(&self.tail)) {
                None => None,
                Some(Ok(usage)) => {
                    self.usage = usage;
                    None
                }
                Some(Err(_)) => Some(Err(StreamFault::Cut)),
            },
        })
    }

    /// What it cost, known at its end.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    fn keep(&mut self, data: &[u8]) {
        let data = &data[data.len().saturating_sub(TAIL)..];
        let excess = (self.tail.len() + data.len()).saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.tail.extend_from_slice(data);
    }
}
