//! Bodies that arrive slowly, or never.

use std::convert::Infallible;

use futures::StreamExt;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use prometheus::IntGauge;

use super::*;

const MIB: usize = 1 << 20;

fn budget(limit: usize) -> Budget {
    Budget::new(limit, IntGauge::new("held", "held").expect("a name"))
}

/// A body that sends `pieces`, each after `pause`.
fn body(
    pieces: impl IntoIterator<Item = Bytes>,
    pause: Duration,
) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    let pieces: Vec<Bytes> = pieces.into_iter().collect();
    let pieces = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok(Frame::data(piece))
    });
    StreamBody::new(Box::pin(pieces))
}

fn pieces(count: usize, size: usize) -> Vec<Bytes> {
    vec![Bytes::from(vec![b'a'; size]); count]
}

#[tokio::test(start_paused = true)]
async fn an_announced_body_takes_memory_only_as_it_arrives() {
    let budget = budget(2 * MIB);
    let announced = body(pieces(1, MIB), Duration::from_secs(3600));
    let mut waiting = Box::pin(read_body(announced, Some(MIB), MIB, &budget));
    assert!(futures::poll!(&mut waiting).is_pending());
    budget.reserve(2 * MIB).expect("nothing has arrived, so nothing is held");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_given_up_although_it_never_stops() {
    let started = Instant::now();
    let trickling = body(pieces(10_000, 1), Duration::from_secs(1));
    let refused = read_body(trickling, Some(10_000), MIB, &budget(MIB)).await;
    assert_eq!(refused.expect_err("too slow").reason, Reason::RequestTimeout);
    assert!(started.elapsed() < BODY_GRACE + Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn what_came_fast_does_not_buy_time_to_trickle() {
    let fast = stream::iter(pieces(63, MIB / 64)).map(|piece| Ok(Frame::data(piece)));
    let trickle = stream::iter(pieces(10_000, 1)).then(|piece| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, Infallible>(Frame::data(piece))
    });
    let started = Instant::now();
    let body = StreamBody::new(Box::pin(fast.chain(trickle)));
    let refused = read_body(body, Some(MIB), MIB, &budget(MIB)).await;
    assert_eq!(refused.expect_err("too slow").reason, Reason::RequestTimeout);
    assert!(started.elapsed() < BODY_GRACE + Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_that_keeps_the_least_rate_is_taken_whole() {
    let rate = usize::try_from(BODY_RATE).expect("a small number");
    let pieces = pieces(200, rate);
    let slow = body(pieces, Duration::from_millis(1050));
    let budget = budget(8 * MIB);
    let taken = read_body(slow, None, 7 * MIB, &budget).await.expect("slow but steady");
    assert_eq!(taken.bytes.len(), 200 * rate);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_all_the_budget_is_taken_and_gives_it_back() {
    for announced in [Some(MIB), None] {
        let budget = budget(MIB);
        let whole = body(pieces(64, MIB / 64), Duration::ZERO);
        let taken = read_body(whole, announced, MIB, &budget).await.expect("it fits");
        assert_eq!(taken.bytes.len(), MIB);
        budget.reserve(1).expect_err("all of it is held");
        drop(taken);
        budget.reserve(MIB).expect("all of it came back");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_allowed_is_refused_as_soon_as_it_is() {
    let endless = body(pieces(1000, MIB), Duration::ZERO);
    let refused = read_body(endless, None, 3 * MIB, &budget(64 * MIB)).await;
    assert_eq!(refused.expect_err("too large").reason, Reason::RequestTooLarge);
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_refused_request_is_read_but_not_for_ever() {
    let mut headers = HeaderMap::new();
    let mut short = body(pieces(2, 1000), Duration::from_millis(100));
    discard(&headers, &mut short).await;
    assert!(short.frame().await.is_none(), "the connection can go on");

    let started = Instant::now();
    discard(&headers, body(pieces(1000, 1), Duration::from_millis(100))).await;
    assert_eq!(started.elapsed(), DISCARD_TIME, "it trickles");
    discard(&headers, body(pieces(1000, MIB), Duration::from_millis(1))).await;
    assert!(started.elapsed() < DISCARD_TIME + Duration::from_millis(10), "it is large");

    headers.insert(EXPECT, http::HeaderValue::from_static("100-continue"));
    let mut held_back = body(pieces(1, 1000), Duration::ZERO);
    discard(&headers, &mut held_back).await;
    assert!(held_back.frame().await.is_some(), "nobody asked for it");
}
