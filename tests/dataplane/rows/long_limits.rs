//! The limits that apply when nobody sets any, in real time: minutes, so only `make test-long` runs
//! them.

use std::time::{Duration, Instant};

use super::{CALLERS, Pair, streaming, whole};

/// Runs all at once: they only wait.
async fn all<F: Future>(them: impl Iterator<Item = F>) {
    futures::future::join_all(them).await;
}

#[tokio::test]
#[ignore = "15 s: make test-long"]
async fn a_first_token_after_20_s_is_answered_by_another_target_within_15() {
    all(streaming().map(async |caller| {
        let pair = Pair::new(caller, "first=20s", "").await;
        let asked = Instant::now();
        pair.assert_answered(&pair.ask().await, "bravo", 2);
        let took = asked.elapsed();
        assert!((9..15).contains(&took.as_secs()), "{caller:?}: {took:?}");
    }))
    .await;
}

#[tokio::test]
#[ignore = "15 s: make test-long"]
async fn a_silent_target_is_left_within_15_s_by_a_stream() {
    all(streaming().map(async |caller| {
        let pair = Pair::new(caller, "silent", "").await;
        let asked = Instant::now();
        pair.assert_answered(&pair.ask().await, "bravo", 2);
        assert!(asked.elapsed() < Duration::from_secs(15), "{caller:?}");
        assert_eq!(pair.tries(), (1, 1));
    }))
    .await;
}

#[tokio::test]
#[ignore = "2 min: make test-long"]
async fn a_silent_target_is_left_after_two_minutes_by_a_plain_request() {
    all(CALLERS.into_iter().filter(|caller| !caller.stream).map(async |caller| {
        let pair = Pair::new(caller, "silent", "").await;
        let asked = Instant::now();
        pair.assert_answered(&pair.ask().await, "bravo", 2);
        let took = asked.elapsed().as_secs();
        assert!((119..130).contains(&took), "{caller:?}: {took}");
    }))
    .await;
}

/// The first request finds out that it takes more than two minutes; the second is patient enough.
#[tokio::test]
#[ignore = "5 min: make test-long"]
async fn a_target_that_always_needs_150_s_is_answered_from_the_second_request_on() {
    all(CALLERS.into_iter().filter(|caller| !caller.stream).map(async |caller| {
        let pair = Pair::new(caller, "delay=150s", "").await;
        assert_eq!(pair.ask().await.target(), "bravo");
        pair.assert_answered(&pair.ask().await, "alpha", 1);
    }))
    .await;
}

#[tokio::test]
#[ignore = "30 s: make test-long"]
async fn a_stalled_stream_is_resumed_after_30_s() {
    all(streaming().map(async |caller| {
        let pair = Pair::of_equals(caller, "stall=14", "").await;
        let asked = Instant::now();
        assert_eq!(pair.view(&pair.ask().await).text, whole("sim"));
        let took = asked.elapsed().as_secs();
        assert!((29..40).contains(&took), "{caller:?}: {took}");
    }))
    .await;
}

#[tokio::test]
#[ignore = "30 s: make test-long"]
async fn a_target_that_is_well_again_is_back_within_30_s() {
    all(CALLERS.into_iter().map(async |caller| {
        let pair = Pair::new(caller, "status=500", "").await;
        while pair.alpha.count() < 5 {
            pair.ask().await;
        }
        pair.alpha.set_fault(crate::routes::fault(""));
        let well = Instant::now();
        while pair.ask().await.target() != "alpha" {
            assert!(well.elapsed() < Duration::from_secs(30), "{caller:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }))
    .await;
}
