use std::collections::VecDeque;

use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn limits(edit: impl FnOnce(&mut TargetLimits)) -> TargetLimits {
    let mut limits = TargetLimits::NONE;
    edit(&mut limits);
    limits
}

fn at_a_time(max: u32) -> TargetLimits {
    limits(|limits| limits.max_concurrent = Some(max))
}

fn demand(input: u64, output: u64) -> Demand {
    Demand { input, output }
}

fn bell() -> Arc<Notify> {
    Arc::new(Notify::new())
}

/// Whether the bell was rung since it was last looked at.
fn rang(bell: &Arc<Notify>) -> bool {
    let mut heard = tokio_test::task::spawn(bell.notified());
    heard.poll().is_ready()
}

#[test]
fn without_limits_everybody_enters_and_is_counted() {
    let (room, now) = (Arc::new(Room::default()), Instant::now());
    let slots: Vec<Slot> = (0..100)
        .map(|_| room.enter(&TargetLimits::NONE, Demand::LEAST, None, now).expect("no limit"))
        .collect();
    assert_eq!(room.in_flight.count(), 100);
    drop(slots);
    assert_eq!(room.in_flight.count(), 0);
    assert!(room.queue(&TargetLimits::NONE, &bell(), now).is_none(), "nothing to wait for");
}

#[test]
fn a_raised_limit_lets_in_at_once_and_a_lowered_one_lets_nobody_out() {
    let (room, now) = (Arc::new(Room::default()), Instant::now());
    let enter = |max| room.enter(&at_a_time(max), Demand::LEAST, None, now);
    let (first, second) = (enter(2).expect("room"), enter(2).expect("room"));
    let full = Full { limit: Limit::Concurrent, until: None };
    assert_eq!(enter(2).expect_err("full"), full);
    let third = enter(3).expect("raised");
    drop(first);
    assert_eq!(enter(1).expect_err("lowered"), full);
    drop((second, third));
    assert!(enter(1).is_ok());
}

#[test]
fn a_request_that_was_not_sent_does_not_count() {
    let (room, now) = (Arc::new(Room::default()), Instant::now());
    let limits = limits(|limits| {
        limits.requests_per_minute = Some(1);
        limits.tokens_per_minute = Some(10);
    });
    let enter = |now| room.enter(&limits, demand(10, 0), None, now);
    drop(enter(now).expect("room"));
    let mut slot = enter(now).expect("nothing was sent");
    slot.sent();
    drop(slot);
    let full = Full { limit: Limit::Requests, until: Some(now + 61 * SECOND) };
    assert_eq!(enter(now + 60 * SECOND).expect_err("counts for a minute"), full);
    assert!(enter(now + 61 * SECOND).is_ok());
}

#[test]
fn tokens_are_estimated_and_then_corrected() {
    let (room, now) = (Arc::new(Room::default()), Instant::now());
    let limits = limits(|limits| limits.tokens_per_minute = Some(1000));
    let enter = |asked, now| room.enter(&limits, asked, None, now);
    let mut first = enter(demand(300, 500), now).expect("room");
    first.sent();
    let full = enter(demand(201, 0), now + SECOND).expect_err("800 are reserved");
    assert_eq!(full, Full { limit: Limit::Tokens, until: Some(now + 61 * SECOND) });
    first.used(Some(300), Some(50), now + 2 * SECOND);
    let mut second = enter(demand(300, 350), now + 3 * SECOND).expect("350 were used");
    second.sent();
    assert!(enter(demand(1, 0), now + 3 * SECOND).is_err());

    // It used more than it asked for: that counts from when it is known.
    second.used(None, Some(450), now + 4 * SECOND);
    assert!(enter(demand(200, 0), now + 61 * SECOND).is_ok_and(|slot| {
        drop(slot);
        true
    }));
    let full = enter(demand(301, 0), now + 61 * SECOND).expect_err("750 count");
    assert_eq!(full.until, Some(now + 64 * SECOND));

    let mut third = enter(demand(250, 0), now + 61 * SECOND).expect("exactly");
    third.sent();
    third.refused();
    assert!(enter(demand(250, 0), now + 61 * SECOND).is_ok(), "the target used none");
}

#[test]
fn a_request_larger_than_the_limit_passes_alone() {
    let (room, now) = (Arc::new(Room::default()), Instant::now());
    let limits = limits(|limits| limits.tokens_per_minute = Some(100));
    let enter = |input, now| room.enter(&limits, demand(input, 0), None, now);
    enter(1, now).expect("room").sent();
    let full = enter(u64::MAX, now).expect_err("something counts");
    assert_eq!(full.until, Some(now + 61 * SECOND));
    let mut large = enter(u64::MAX, now + 61 * SECOND).expect("nothing counts");
    large.sent();
    assert!(enter(1, now + 62 * SECOND).is_err());
    assert!(enter(1, now + 200 * SECOND).is_ok(), "no sum overflows");
}

#[test]
fn who_came_first_is_served_first_and_nobody_overtakes() {
    let (room, now) = (Arc::new(Room::default()), Instant::now());
    let limits = limits(|limits| (limits.max_concurrent, limits.max_queue) = (Some(1), 2));
    let enter = |place: Option<&Place>| room.enter(&limits, Demand::LEAST, place, now);
    let running = enter(None).expect("room");
    let bells = [bell(), bell()];
    let [first, second] = [0, 1].map(|at| room.queue(&limits, &bells[at], now).expect("a place"));
    assert!(room.queue(&limits, &bell(), now).is_none(), "the line is full");
    assert_eq!((room.waiting(), first.until), (2, now + limits.queue_timeout));

    drop(running);
    assert!(rang(&bells[0]) && !rang(&bells[1]));
    let turn = Full { limit: Limit::Turn, until: None };
    assert_eq!(enter(None).expect_err("others wait"), turn);
    assert_eq!(enter(Some(&second)).expect_err("another is first"), turn);
    let running = enter(Some(&first)).expect("its turn");
    drop(first);
    assert!(rang(&bells[1]), "there may be room for more than one");
    assert!(enter(Some(&second)).is_err(), "there is not");

    // Whoever goes away makes way.
    drop(second);
    assert_eq!(room.waiting(), 0);
    drop(running);
    assert!(enter(None).is_ok());
}

#[test]
fn tokens_that_were_not_used_are_told_to_who_waits() {
    let (room, now) = (Arc::new(Room::default()), Instant::now());
    let limits = limits(|limits| limits.tokens_per_minute = Some(100));
    let mut running = room.enter(&limits, demand(10, 90), None, now).expect("room");
    running.sent();
    let bell = bell();
    let place = room.queue(&limits, &bell, now).expect("a place");
    assert!(room.enter(&limits, demand(50, 0), Some(&place), now).is_err());
    running.used(Some(10), Some(5), now);
    assert!(rang(&bell));
    assert!(room.enter(&limits, demand(50, 0), Some(&place), now).is_ok());
}

#[test]
fn never_more_run_than_may_from_any_thread() {
    const MAX: u32 = 5;
    let room = Arc::new(Room::default());
    let limits = at_a_time(MAX);
    let most = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let (room, most) = (&room, &most);
            scope.spawn(move || {
                let (mut random, mut held) = (fastrand::Rng::with_seed(seed), Vec::new());
                for _ in 0..5_000 {
                    if random.bool() {
                        held.extend(room.enter(&limits, Demand::LEAST, None, Instant::now()));
                        most.fetch_max(room.in_flight.count(), Ordering::Relaxed);
                    } else if !held.is_empty() {
                        held.swap_remove(random.usize(..held.len()));
                    }
                }
            });
        }
    });
    assert_eq!(most.load(Ordering::Relaxed), MAX);
    assert_eq!(room.in_flight.count(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Enter,
    Queue,
    /// Someone who waits looks whether it may enter.
    Look(prop::sample::Index),
    GiveUp(prop::sample::Index),
    Finish(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Enter),
        Just(Step::Queue),
        any::<prop::sample::Index>().prop_map(Step::Look),
        any::<prop::sample::Index>().prop_map(Step::GiveUp),
        any::<prop::sample::Index>().prop_map(Step::Finish),
    ]
}

proptest! {
    /// However requests come, wait, leave and end: never too many run, never too many wait, the line
    /// is kept, whoever is first and could enter has been told, and nothing is left in the end.
    #[test]
    fn lines_move_and_limits_hold(
        max in 1_u32..4,
        max_queue in 0_u32..4,
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let (room, now) = (Arc::new(Room::default()), Instant::now());
        let limits = limits(|limits| {
            limits.max_concurrent = Some(max);
            limits.max_queue = max_queue;
        });
        let mut running: Vec<Slot> = Vec::new();
        let mut waiting: VecDeque<(Place, Arc<Notify>, bool)> = VecDeque::new();
        for step in steps {
            match step {
                Step::Enter => {
                    let entered = room.enter(&limits, Demand::LEAST, None, now);
                    let has_room = waiting.is_empty() && running.len() < max as usize;
                    prop_assert_eq!(entered.is_ok(), has_room);
                    running.extend(entered);
                }
                Step::Queue => {
                    let bell = bell();
                    let place = room.queue(&limits, &bell, now);
                    prop_assert_eq!(place.is_some(), waiting.len() < max_queue as usize);
                    // Whoever has just taken a place looks by itself.
                    waiting.extend(place.map(|place| (place, bell, true)));
                }
                Step::Look(index) if !waiting.is_empty() => {
                    let at = index.index(waiting.len());
                    let entered = room.enter(&limits, Demand::LEAST, Some(&waiting[at].0), now);
                    let has_room = at == 0 && running.len() < max as usize;
                    prop_assert_eq!(entered.is_ok(), has_room);
                    waiting[at].2 = false;
                    if let Ok(slot) = entered {
                        running.push(slot);
                        waiting.remove(at);
                    }
                }
                Step::GiveUp(index) if !waiting.is_empty() => {
                    waiting.remove(index.index(waiting.len()));
                }
                Step::Finish(index) if !running.is_empty() => {
                    running.swap_remove(index.index(running.len()));
                }
                Step::Look(_) | Step::GiveUp(_) | Step::Finish(_) => {}
            }
            for (_, bell, told) in &mut waiting {
                *told |= rang(bell);
            }
            prop_assert!(running.len() <= max as usize);
            prop_assert_eq!(room.in_flight.count() as usize, running.len());
            prop_assert_eq!(room.waiting() as usize, waiting.len());
            if let Some((_, _, told)) = waiting.front() {
                prop_assert!(*told || running.len() == max as usize, "nobody tells the first");
            }
        }
        drop((running, waiting));
        prop_assert_eq!((room.in_flight.count(), room.waiting()), (0, 0));
    }

    /// In no 60 seconds whatever more is sent than is allowed, and what is told as the moment when
    /// there is room is that moment.
    #[test]
    fn no_minute_holds_more_than_is_allowed(
        requests in 1_u32..20,
        tokens in 1_u64..2000,
        comes in proptest::collection::vec((0_u64..20_000, 1_u64..400), 1..200),
    ) {
        let (room, start) = (Arc::new(Room::default()), Instant::now());
        let limits = limits(|limits| {
            limits.requests_per_minute = Some(requests);
            limits.tokens_per_minute = Some(tokens);
        });
        let mut now = start;
        let mut sent: Vec<(Instant, u64)> = Vec::new();
        for (pause, input) in comes {
            now += Duration::from_millis(pause);
            match room.enter(&limits, demand(input, 0), None, now) {
                Ok(mut slot) => {
                    slot.sent();
                    sent.push((now, input));
                }
                Err(full) => {
                    let until = full.until.expect("a matter of time");
                    prop_assert!(until > now && until <= now + 61 * SECOND);
                    let short = (until - now).saturating_sub(SECOND / 1000);
                    let early = room.check(&limits, demand(input, 0), None, now + short);
                    prop_assert!(early.is_err());
                }
            }
        }
        for (at, (begin, first)) in sent.iter().enumerate() {
            let minute = sent[at..].iter().take_while(|(time, _)| *time < *begin + 60 * SECOND);
            let (count, sum) = minute.fold((0, 0), |(count, sum), (_, used)| (count + 1, sum + used));
            prop_assert!(count <= requests as usize);
            prop_assert!(sum <= tokens || (count == 1 && *first > tokens));
        }
    }
}
