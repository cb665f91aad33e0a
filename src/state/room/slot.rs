//! The room that one request takes.

use std::sync::Arc;
use std::time::Instant;

use super::window::Count;
use super::{Demand, Room};
use crate::state::InFlightGuard;

/// The room that one request takes at a target. It belongs to whatever lives as long as the answer:
/// dropped, it counts the request out.
#[derive(Debug)]
pub struct Slot {
    room: Arc<Room>,
    running: Option<InFlightGuard>,
    reserved: Option<Reserved>,
    sent: bool,
}

/// What was counted beforehand, and in which second.
#[derive(Debug, Clone, Copy)]
struct Reserved {
    second: u64,
    demand: Demand,
}

impl Slot {
    pub(super) fn new(
        room: &Arc<Room>,
        running: InFlightGuard,
        reserved: Option<(u64, Demand)>,
    ) -> Self {
        let reserved = reserved.map(|(second, demand)| Reserved { second, demand });
        Self { room: Arc::clone(room), running: Some(running), reserved, sent: false }
    }

    /// The request is on its way: it counts from now on, whatever becomes of it.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// The target has said what it used. What it did not say stays as it was estimated.
    pub fn used(&mut self, input: Option<u64>, output: Option<u64>, now: Instant) {
        if input.is_none() && output.is_none() {
            return;
        }
        let Some(Reserved { second, demand }) = self.reserved.take() else { return };
        let (expected, used) = (
            demand.tokens(),
            input.unwrap_or(demand.input).saturating_add(output.unwrap_or(demand.output)),
        );
        let mut books = self.room.books.lock();
        if used > expected {
            books.window.add(used - expected, now);
        } else {
            books.window.give_back(second, Count { requests: 0, tokens: expected - used });
        }
        drop(books);
        self.room.ring();
    }

    /// The target refused the request without using any token for it.
    pub fn refused(&mut self) {
        self.give_back(0);
    }

    fn give_back(&mut self, requests: u32) {
        let Some(Reserved { second, demand }) = self.reserved.take() else { return };
        let back = Count { requests, tokens: demand.tokens() };
        self.room.books.lock().window.give_back(second, back);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.sent {
            self.give_back(1);
        }
        // Counted out first: who is told of the room has to find it.
        self.running = None;
        self.room.ring();
    }
}
