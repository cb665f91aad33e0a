use std::task::Waker;

use tokio::time::advance;
use tokio_test::assert_pending;

use super::*;
use crate::simulate::observe::Ledger;

fn frames() -> Frames {
    let mut frames = Frames::default();
    for event in ["one", "two", "three"] {
        frames.raw(event.as_bytes());
    }
    frames
}

/// The body, and the account that it is counted in.
fn play(score: Score) -> (Playback, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::new(0));
    let stopping = CancellationToken::new();
    (Playback::new(score, Arc::default(), stopping, ledger.begin()), ledger)
}

type Polled = Poll<Option<Result<Bytes, ()>>>;

fn poll(body: &mut Playback) -> Polled {
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(body).poll_frame(&mut cx).map(|frame| {
        frame.map(|frame| frame.map(|frame| frame.into_data().expect("data")).map_err(|_| ()))
    })
}

fn next(text: &'static str) -> Polled {
    Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes()))))
}

#[test]
fn hyper_is_made_to_flush_between_events() {
    let (mut body, ledger) = play(Score::events(frames()));
    for event in ["one", "two"] {
        assert_eq!(poll(&mut body), next(event));
        assert_pending!(poll(&mut body));
    }
    assert!(!body.is_end_stream());
    assert_eq!(poll(&mut body), next("three"));
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!((ledger.snapshot().completed, ledger.snapshot().cancelled), (1, 0));
}

#[test]
fn drips_do_not_cross_events() {
    let (mut body, _ledger) = play(Score { drip: NonZeroUsize::new(2), ..Score::events(frames()) });
    for piece in ["on", "e", "tw", "o", "th", "re", "e"] {
        assert_eq!(poll(&mut body), next(piece));
        assert_pending!(poll(&mut body));
    }
    assert_eq!(poll(&mut body), Poll::Ready(None));
}

#[tokio::test(start_paused = true)]
async fn time_passes_before_the_first_event_and_between_events() {
    let (first, pace) = (Duration::from_secs(2), Duration::from_millis(5));
    let (mut body, ledger) = play(Score { first, pace, ..Score::events(frames()) });
    assert_pending!(poll(&mut body));
    advance(first).await;
    assert_eq!(poll(&mut body), next("one"));
    assert_pending!(poll(&mut body));
    advance(pace).await;
    assert_eq!(poll(&mut body), next("two"));
    drop(body);
    assert_eq!((ledger.snapshot().completed, ledger.snapshot().cancelled), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_no_burst() {
    let pace = Duration::from_millis(10);
    let (mut body, _ledger) = play(Score { pace, ..Score::events(frames()) });
    assert_eq!(poll(&mut body), next("one"));
    assert_pending!(poll(&mut body));
    advance(Duration::from_secs(1)).await;
    assert_eq!(poll(&mut body), next("two"));
    assert_pending!(poll(&mut body));
    advance(pace).await;
    assert_eq!(poll(&mut body), next("three"));
}

#[tokio::test]
async fn a_stall_ends_only_when_all_stops() {
    let (mut body, _ledger) = play(Score { ending: Ending::Stall, ..Score::plain(Bytes::new()) });
    assert_pending!(poll(&mut body));
    body.stopping.cancel();
    assert_eq!(poll(&mut body), Poll::Ready(Some(Err(()))));
}
