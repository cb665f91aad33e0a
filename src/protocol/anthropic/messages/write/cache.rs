//! Marks up to which a prompt may be cached.

use crate::protocol::anthropic::messages::wire::CacheControl;
use crate::protocol::neutral::{CacheMark, CannotCross, Crossing};

/// More marks than this in one request are refused by the API.
const MOST: usize = 4;

/// Gives out the marks of one request, first come, first served.
#[derive(Debug, Default)]
pub(super) struct Marks {
    given: usize,
    refused: bool,
}

impl Marks {
    /// The mark of a block, if the request may have one more.
    pub(super) fn take<'a>(&mut self, mark: Option<&'a CacheMark>) -> Option<CacheControl<'a>> {
        let mark = mark?;
        if self.given == MOST {
            self.refused = true;
            return None;
        }
        self.given += 1;
        // Others name other times; then the API's own default holds.
        let ttl = mark.ttl.as_deref().filter(|ttl| matches!(*ttl, "5m" | "1h"));
        Some(CacheControl { kind: "ephemeral", ttl })
    }

    /// Says whether there were too many.
    pub(super) fn report(&self, crossing: &mut Crossing) -> Result<(), CannotCross> {
        if self.refused { crossing.dropped("cache_control") } else { Ok(()) }
    }
}
