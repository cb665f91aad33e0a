//! Nobody answers: the caller is told so soon, and told what was tried.

use super::{CALLERS, Pair};
use crate::routes::fault;

/// Both targets do as told; what the caller sees of it.
async fn both(caller: super::Caller, one: &str, two: &str, extra: &str, status: u16) -> Pair {
    let pair = Pair::new(caller, one, extra).await;
    pair.bravo.set_fault(fault(two));
    let answer = pair.ask().await;
    let message = pair.assert_error(&answer, status);
    for part in ["alpha", "bravo", "ns/chat"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!message.contains("Simulated"), "the providers' own words stay here: {message}");
    let log = pair.log().await;
    assert_eq!(log["status"], status, "{log}");
    pair.settled().await;
    pair
}

#[tokio::test]
async fn two_that_fail_are_a_502_that_lists_what_was_tried() {
    for caller in CALLERS {
        let pair = both(caller, "status=500", "status=503", "", 502).await;
        assert_eq!(pair.tries(), (2, 2));
        both(caller, "reset", "close", "", 502).await;
        both(caller, "body=html", "status=500", "", 502).await;
    }
}

#[tokio::test]
async fn two_that_throttle_are_a_429_with_the_soonest_retry_after() {
    for caller in CALLERS {
        let (long, short) = ("status=429;retry-after=600", "status=429;retry-after=300");
        let pair = both(caller, long, short, "", 429).await;
        for _ in 0..2 {
            let answer = pair.ask().await;
            assert_eq!(answer.status.as_u16(), 429);
            let after: u64 = answer.header("retry-after").parse().unwrap();
            assert!((240..=300).contains(&after), "{after}");
            assert_eq!(pair.tries(), (1, 1));
        }
    }
}

#[tokio::test]
async fn two_that_are_silent_are_a_504_within_the_total_limit() {
    for caller in CALLERS {
        let extra = "  timeouts: {firstToken: 50ms, response: 50ms, request: 400ms}\n";
        let pair = both(caller, "silent", "silent", extra, 504).await;
        assert_eq!(pair.tries(), (1, 1), "none is asked twice");
    }
}

#[tokio::test]
async fn two_whose_breakers_are_open_are_a_503_with_the_soonest_return() {
    for caller in CALLERS {
        let extra = "  circuitBreaker: {failureThreshold: 1}\n";
        let pair = both(caller, "status=500", "status=500", extra, 502).await;
        let answer = pair.ask().await;
        let message = pair.assert_error(&answer, 503);
        assert!(message.contains("circuit breaker is open"), "{message}");
        let after: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=18).contains(&after), "resetTimeout and its jitter: {after}");
        assert_eq!(pair.tries(), (1, 1), "a breaker that opened ends the retries");
    }
}

#[tokio::test]
async fn a_short_rest_of_the_only_ones_left_is_waited_for() {
    for caller in CALLERS {
        let pair = Pair::new(caller, "status=429;retry-after-ms=300;times=1", "").await;
        pair.bravo.set_fault(fault("status=500"));
        pair.assert_answered(&pair.ask().await, "alpha", 2);
    }
}
