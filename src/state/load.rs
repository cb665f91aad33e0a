//! What a server says of its queue, and how many requests of ours that leaves room for.
//!
//! Other gateways, other replicas of this one and other clients load a server too, so what this
//! process has sent there is not the whole truth. The server knows it; but what it says is old as
//! soon as it is said, and a burst between two reports would overrun any limit that is held against
//! the report alone. So what changed since counts on top.
//!
//! Let `base` be the requests of ours that were at the server when it was asked, `waiting` what it
//! answered, and `spare` how many more it is known to run at a time than it was running. What we
//! have sent there on balance since (`in_flight - base`, for those that ended make room for others)
//! takes the spare places first, and the rest of it waits:
//!
//! ```text
//! waiting now = waiting + max(0, in_flight - base - spare)
//! ```
//!
//! With that not above the limit the server may get one request more, which comes to a bound on a
//! count of our own, and so to one atomic step ([`ServerState::enter`](super::ServerState::enter)):
//!
//! ```text
//! in_flight < base + spare + (limit - waiting) + 1          none at all while waiting > limit
//! ```
//!
//! **Spare places** nobody reports. What a server runs while others wait is all that it can run, and
//! what it runs while nobody waits is the least that it can: so the highest number of the latter since
//! the last of the former is taken for its places. Where that is wrong (prompts became longer) the
//! next report says so. A server that was idle so far has shown none, and is filled by `limit + 1`
//! requests from one report to the next.

use std::time::Instant;

use parking_lot::Mutex;

/// What a server said of its load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadReport {
    /// Requests that wait for their turn, whoever sent them.
    pub waiting: u32,
    /// Requests that it works on; `None` if it does not say.
    pub running: Option<u32>,
}

/// What a server said of its load, as long as that is worth anything.
#[derive(Debug, Default)]
pub struct ReportedLoad(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    last: Option<Said>,
    /// Requests that it can run at a time, as far as it has shown.
    places: u32,
    failures: u32,
    last_failure: Option<String>,
    /// Until when its first word is waited for.
    awaited_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    report: LoadReport,
    /// Requests of ours that were there.
    base: u32,
    spare: u32,
    at: Instant,
    /// From then on it counts for nothing.
    until: Instant,
}

/// What there is to tell of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadAccount {
    /// What it said last, if that is not too old.
    pub report: Option<LoadReport>,
    /// When it said so.
    pub at: Option<Instant>,
    /// In how many polls it has said nothing since.
    pub failures: u32,
    /// Why not, the last time.
    pub last_failure: Option<String>,
}

impl ReportedLoad {
    /// What was said counts until so many polls in a row have failed: a page that is late now and then
    /// is no reason to fill a queue that was long a moment ago.
    pub const MISSED: u32 = 5;

    /// Somebody begins to ask it. Until its first word, or `until`, it gets what an idle one would that
    /// has shown nothing: a gateway that has just started must not fill queues which may be long.
    pub fn await_first(&self, until: Instant) {
        self.0.lock().awaited_until = Some(until);
    }

    /// The server has answered: at `now`, with so many (`base`) requests of ours. Returns how many
    /// polls had failed before.
    pub fn note(&self, report: LoadReport, base: u32, now: Instant, until: Instant) -> u32 {
        let mut memory = self.0.lock();
        let running = report.running.unwrap_or_default();
        memory.places = if report.waiting > 0 { running } else { memory.places.max(running) };
        let spare = match report.running {
            Some(running) => memory.places.saturating_sub(running),
            None => 0,
        };
        memory.last = Some(Said { report, base, spare, at: now, until });
        memory.last_failure = None;
        std::mem::take(&mut memory.failures)
    }

    /// A poll said nothing of its queue. Returns how many have failed in a row.
    pub fn fail(&self, fault: String) -> u32 {
        let mut memory = self.0.lock();
        memory.failures = memory.failures.saturating_add(1);
        if memory.failures >= Self::MISSED {
            memory.last = None;
        }
        memory.last_failure = Some(fault);
        memory.failures
    }

    /// Nobody asks it any more.
    pub fn forget(&self) {
        *self.0.lock() = Memory::default();
    }

    /// How many requests of ours it may have, if it shall not have more than `limit` that wait; `None`
    /// if its queue is not known.
    pub fn most(&self, limit: u32, now: Instant) -> Option<u32> {
        let Some(said) = self.0.lock().last else { return self.first(limit, now) };
        let Said { report, base, spare, .. } = Some(said).filter(|said| now < said.until)?;
        let may_wait = limit.checked_sub(report.waiting).map(|more| more.saturating_add(1));
        Some(may_wait.map_or(0, |more| base.saturating_add(spare).saturating_add(more)))
    }

    /// The same while its first word is waited for.
    fn first(&self, limit: u32, now: Instant) -> Option<u32> {
        let memory = self.0.lock();
        let awaited = memory.failures == 0 && memory.awaited_until.is_some_and(|end| now < end);
        awaited.then(|| limit.saturating_add(1))
    }

    /// How many requests it has beside ours; `None` if that is not known.
    pub fn of_others(&self, now: Instant) -> Option<u32> {
        let Said { report, base, .. } = self.fresh(now)?;
        let LoadReport { waiting, running } = report;
        // Where it does not say what it runs, all that wait may be ours, and count twice: they are
        // the worse load.
        Some(
            running.map_or(waiting, |running| running.saturating_add(waiting).saturating_sub(base)),
        )
    }

    /// What there is to tell of it.
    pub fn account(&self, now: Instant) -> LoadAccount {
        let fresh = self.fresh(now);
        let memory = self.0.lock();
        LoadAccount {
            report: fresh.map(|said| said.report),
            at: fresh.map(|said| said.at),
            failures: memory.failures,
            last_failure: memory.last_failure.clone(),
        }
    }

    fn fresh(&self, now: Instant) -> Option<Said> {
        self.0.lock().last.filter(|said| now < said.until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const FRESH: Duration = Duration::from_secs(5);

    fn said(reports: &[(u32, Option<u32>)], base: u32) -> (ReportedLoad, Instant) {
        let (load, now) = (ReportedLoad::default(), Instant::now());
        for (waiting, running) in reports.iter().copied() {
            load.note(LoadReport { waiting, running }, base, now, now + FRESH);
        }
        (load, now)
    }

    #[test]
    fn a_queue_over_the_limit_leaves_room_for_nothing() {
        let (load, now) = said(&[(3, Some(8))], 5);
        assert_eq!(load.most(2, now), Some(0));
        assert_eq!(load.most(3, now), Some(5 + 1), "who ends makes room, and one more may wait");
        assert_eq!(load.most(5, now), Some(5 + 3));
        assert_eq!(said(&[], 0).0.most(2, now), None, "not known");
    }

    #[test]
    fn until_its_first_word_a_server_gets_no_more_than_an_idle_one() {
        let (load, now) = (ReportedLoad::default(), Instant::now());
        assert_eq!(load.most(2, now), None, "nobody asks it");
        load.await_first(now + FRESH);
        assert_eq!((load.most(2, now), load.most(2, now + FRESH)), (Some(3), None));
        load.fail("it has no such page".into());
        assert_eq!(load.most(2, now), None, "it has nothing to say");
        load.forget();
        load.await_first(now + FRESH);
        load.note(LoadReport { waiting: 0, running: Some(4) }, 4, now, now + FRESH);
        assert_eq!(load.most(2, now), Some(4 + 3));
    }

    #[test]
    fn places_are_what_it_has_shown_and_the_latest_report_is_right() {
        let most = |reports: &[(u32, Option<u32>)]| {
            let (load, now) = said(reports, 0);
            load.most(0, now)
        };
        assert_eq!(most(&[(0, Some(0))]), Some(1), "an idle one has shown nothing");
        assert_eq!(most(&[(0, Some(6)), (0, Some(2))]), Some(4 + 1));
        assert_eq!(most(&[(0, Some(9)), (1, Some(6)), (0, Some(2))]), Some(4 + 1), "it had 6");
        assert_eq!(most(&[(1, Some(2)), (0, Some(6)), (0, Some(5))]), Some(1 + 1));
        assert_eq!(most(&[(0, Some(6)), (0, None)]), Some(1), "it does not say what it runs");
    }

    #[test]
    fn what_is_too_old_counts_for_nothing() {
        let (load, now) = said(&[(9, Some(9))], 4);
        assert_eq!(load.of_others(now), Some(14));
        let later = now + FRESH;
        assert_eq!((load.most(2, later), load.of_others(later)), (None, None));
        assert_eq!(load.account(later), LoadAccount::default());
    }

    #[test]
    fn failures_are_counted_until_it_answers_and_forgotten_with_the_rest() {
        let (load, now) = said(&[(1, None)], 0);
        assert_eq!([load.fail("a".into()), load.fail("b".into())], [1, 2]);
        let account = load.account(now);
        assert_eq!((account.failures, account.last_failure.as_deref()), (2, Some("b")));
        assert!(account.report.is_some(), "one lost poll is no loss");
        let report = LoadReport { waiting: 0, running: None };
        assert_eq!(load.note(report, 0, now, now + FRESH), 2);
        assert_eq!(load.account(now).last_failure, None);
        let last = (0..ReportedLoad::MISSED).map(|_| load.fail("c".into())).last();
        assert_eq!(last, Some(ReportedLoad::MISSED));
        assert_eq!((load.account(now).report, load.most(0, now)), (None, None), "too many lost");
        load.forget();
        assert_eq!(load.account(now), LoadAccount::default());
    }

    proptest! {
        #[test]
        fn with_all_that_it_leaves_room_for_one_more_waits_than_the_limit(
            waiting in any::<u32>(),
            running in any::<Option<u32>>(),
            base in any::<u32>(),
            limit in any::<u32>(),
        ) {
            let (load, now) = said(&[(waiting, running)], base);
            let most = load.most(limit, now).expect("it is known");
            if waiting > limit {
                prop_assert_eq!(most, 0);
            } else {
                let waits = u64::from(waiting) + u64::from(most.saturating_sub(base));
                prop_assert!(waits <= u64::from(limit) + 1);
                prop_assert!(most > 0);
            }
            prop_assert!(load.of_others(now).is_some());
        }
    }
}
