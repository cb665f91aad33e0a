//! Who waits for room at a target, in the order in which they came.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::Notify;

use super::{Full, Limit, Room};

/// Those who wait, the first at the front.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: VecDeque<(u64, Arc<Notify>)>,
    tickets: u64,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether somebody with that ticket, or a newcomer, may enter before everybody else.
    pub(super) fn is_turn_of(&self, ticket: Option<u64>) -> bool {
        self.waiting.front().is_none_or(|(first, _)| ticket == Some(*first))
    }

    /// The same for whoever has that place, or none.
    pub(super) fn check(&self, place: Option<&Place>) -> Result<(), Full> {
        let is_turn = self.is_turn_of(place.map(|place| place.ticket));
        is_turn.then_some(()).ok_or(Full::of(Limit::Turn))
    }

    pub(super) fn join(&mut self, bell: &Arc<Notify>) -> u64 {
        self.tickets += 1;
        self.waiting.push_back((self.tickets, Arc::clone(bell)));
        self.tickets
    }

    /// Tells the first that there may be room. A bell that is rung before anybody listens is heard
    /// all the same.
    pub(super) fn ring(&self) {
        if let Some((_, bell)) = self.waiting.front() {
            bell.notify_one();
        }
    }

    fn leave(&mut self, ticket: u64) {
        let was_first = self.is_turn_of(Some(ticket));
        self.waiting.retain(|(other, _)| *other != ticket);
        if was_first {
            // There may be room for more than the one who leaves.
            self.ring();
        }
    }
}

/// A place in the line of a target, given up when it is dropped.
#[derive(Debug)]
pub struct Place {
    room: Arc<Room>,
    ticket: u64,
    /// When its time to wait is over.
    pub until: Instant,
}

impl Place {
    pub(super) fn new(room: &Arc<Room>, ticket: u64, until: Instant) -> Self {
        Self { room: Arc::clone(room), ticket, until }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut books = self.room.books.lock();
        books.line.leave(self.ticket);
        self.room.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
