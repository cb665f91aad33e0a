use std::sync::mpsc;

use http::{Method, StatusCode};
use serde_json::Value;

use super::*;
use crate::control::fake_api;

/// A keeper at an API server that takes everything, and the requests there.
async fn keeper() -> (Keeper, watch::Sender<Arc<Report>>, mpsc::Receiver<(Method, String, Value)>) {
    let (log, asked) = mpsc::sync_channel(64);
    let client = fake_api::client(move |request| {
        let written = (request.method.clone(), request.target.clone(), request.body.clone());
        log.send(written).expect("somebody listens");
        let mut answer = request.body.clone();
        answer["metadata"]["uid"] = "lease-uid".into();
        Some((StatusCode::OK, answer))
    })
    .await;
    let (report, reports) = watch::channel(Arc::new(Report::default()));
    let pod = Pod { name: "pod-a".to_owned(), uid: "pod-uid".to_owned() };
    let names = LeaseNames::new("default", "Pod-A");
    let told = (reports, Arc::default());
    (Keeper::new(client, "ai", names, "Pod-A", Some(&pod), told), report, asked)
}

async fn next(asked: &mpsc::Receiver<(Method, String, Value)>) -> (Method, String, Value) {
    loop {
        match asked.try_recv() {
            Ok(request) => return request,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_replica_is_told_of_once_it_serves_and_until_it_goes() {
    let (keeper, report, asked) = keeper().await;
    let (go, goes) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(keeper.run(async {
        let _ = goes.await;
    }));
    tokio::task::yield_now().await;
    assert!(asked.try_recv().is_err(), "it serves nothing yet");
    report.send_modify(|report| Arc::make_mut(report).generation = 1);

    let (method, target, lease) = next(&asked).await;
    let path = "/apis/coordination.k8s.io/v1/namespaces/ai/leases/pilothouse-default-replica-pod-a";
    assert_eq!(method, Method::PATCH);
    assert!(target.starts_with(path), "{target}");
    assert_eq!(lease["metadata"]["ownerReferences"][0]["uid"], "pod-uid");
    assert_eq!(lease["metadata"]["labels"]["pilothouse.dev/gateway"], "default");
    assert_eq!(lease["spec"]["holderIdentity"], "Pod-A");
    let word = lease["metadata"]["annotations"][WORD].as_str().expect("a word");
    assert_eq!(Word::parse(word), Some(Word::of(&[])));

    go.send(()).expect("it still runs");
    let (method, target, options) = next(&asked).await;
    assert_eq!((method, &*target), (Method::DELETE, &*format!("{path}?")));
    assert_eq!(options["preconditions"]["uid"], "lease-uid");
    running.await.expect("it ends well");
}

#[tokio::test]
async fn who_was_never_told_of_goes_without_a_word() {
    let (keeper, _report, asked) = keeper().await;
    keeper.run(std::future::ready(())).await;
    assert!(asked.try_recv().is_err());
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn only_what_is_served_is_news_and_not_too_often() {
    let route = |generation| ObjectReport { generation, ..super::super::view::tests::some_route() };
    let (report, mut reports) = watch::channel(Arc::new(Report::default()));
    let of = |generation| -> Arc<[ObjectReport]> { vec![route(generation)].into() };
    let (first, start) = (of(1), Instant::now());
    let said = Serves::of(&first);
    let waiting = tokio::spawn(async move {
        news(&mut reports, first, &said, start + 20 * SECOND).await;
        start.elapsed()
    });
    tokio::task::yield_now().await;
    // The same routes, compiled again for another reason.
    report.send_modify(|report| Arc::make_mut(report).objects = of(1));
    tokio::time::sleep(30 * SECOND).await;
    assert!(!waiting.is_finished());
    report.send_modify(|report| Arc::make_mut(report).objects = of(2));
    assert_eq!(waiting.await.expect("it ends well"), 30 * SECOND + SETTLE);

    let (first, said) = (of(2), Serves::of(&of(2)));
    let mut reports = report.subscribe();
    report.send_modify(|report| Arc::make_mut(report).objects = of(3));
    let began = Instant::now();
    news(&mut reports, first, &said, began + SECOND).await;
    assert_eq!(began.elapsed(), SECOND);
}

#[tokio::test]
async fn a_lease_is_small() {
    let (keeper, _report, _asked) = keeper().await;
    let route = super::super::view::tests::some_route();
    let length = |routes: u32| {
        let objects: Vec<_> = (0..routes)
            .map(|number| ObjectReport { uid: number.to_string().into(), ..route.clone() })
            .collect();
        let lease = keeper.lease(&Word::of(&objects));
        serde_json::to_string(&lease).expect("it is JSON").len()
    };
    let lengths = [10, 5000].map(length);
    assert!(lengths[0] < 800 && lengths[1] < 2100, "{lengths:?}");
}
