use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Numbers, each valid for an hour; `broken` ones are not granted.
fn numbers(broken: impl Fn(u32) -> bool + Send + Sync + 'static) -> (Renewal<u32>, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let renewal = Renewal::new(move || {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let broken = broken(number);
        async move {
            // Whoever grants it takes its time.
            tokio::time::sleep(Duration::from_millis(100)).await;
            if broken {
                let reason = "it is away".into();
                return Err(IdentityError::NotGranted { issuer: "the test", reason });
            }
            Ok(Fetched { value: number, lifetime: Some(HOUR) })
        }
    });
    (renewal, asked)
}

async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_the_same_time_waits_for_one_fetch() {
    let (renewal, asked) = numbers(|_| false);
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is fetched before it is needed");
    let all = futures::future::join_all((0..50).map(|_| renewal.get())).await;
    assert!(all.into_iter().all(|got| got == Ok(0)));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_outlives_the_request_that_began_it() {
    let (renewal, asked) = numbers(|_| false);
    let cancelled = tokio::time::timeout(Duration::from_millis(10), renewal.get()).await;
    assert!(cancelled.is_err());
    settle().await;
    assert_eq!(renewal.get().await, Ok(0));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_value_is_renewed_ahead_of_its_end_and_nobody_waits() {
    let (renewal, asked) = numbers(|_| false);
    assert_eq!(renewal.get().await, Ok(0));
    tokio::time::advance(Duration::from_secs(3600 - 300 + 1)).await;
    assert_eq!(renewal.get().await, Ok(0), "the old one, at once");
    settle().await;
    assert_eq!(renewal.get().await, Ok(1));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_keeps_the_old_value_while_it_is_valid() {
    let (renewal, asked) = numbers(|number| number > 0);
    assert_eq!(renewal.get().await, Ok(0));
    tokio::time::advance(Duration::from_secs(3600 - 60)).await;
    for _ in 0..10 {
        assert_eq!(renewal.get().await, Ok(0));
        settle().await;
    }
    let tries = asked.load(Ordering::Relaxed) - 1;
    assert!((2..=3).contains(&tries), "{tries} in 10 s: the issuer is left alone in between");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(renewal.get().await.is_err(), "it has expired");
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_is_fetched_anew_but_not_again_and_again() {
    let (renewal, asked) = numbers(|_| false);
    assert_eq!(renewal.get().await, Ok(0));
    assert!(!renewal.discard(), "a new one would hardly be better");
    tokio::time::advance(RECENT).await;
    assert!(renewal.discard());
    assert_eq!(renewal.get().await, Ok(1));
    assert!(!renewal.discard());
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}
