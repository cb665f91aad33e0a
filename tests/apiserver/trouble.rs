//! An API server that is there, and throttles, forgets or falls silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use http::{Method, StatusCode};
use kube::api::DeleteParams;
use pilothouse::api::ModelRoute;

use crate::support::middlebox::{Fate, Middlebox};
use crate::support::objects::{KEY, provider, route, target};
use crate::support::{Cluster, Gateway, Tenant, eventually};

/// Refusals that a gateway is seen to take.
const REFUSALS: usize = 3;

#[tokio::test]
async fn a_throttled_gateway_asks_again_later_and_not_more_often() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "throttled").await;
    let provider = provider("only").await;
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("only", &provider)])).await;

    let middlebox = Middlebox::start(cluster).await;
    let lists = Arc::new(AtomicUsize::new(0));
    let throttles = Arc::new(AtomicBool::new(true));
    let (mut writes, listed, refuses) = (0, lists.clone(), throttles.clone());
    middlebox.decide(move |asked| {
        if asked.reads("modelroutes") && !asked.watches("modelroutes") {
            listed.fetch_add(1, Ordering::Relaxed);
            return if refuses.load(Ordering::Relaxed) { Fate::TooMany } else { Fate::Pass };
        }
        if asked.method == Method::PATCH && asked.target.contains("/modelroutes/chat/status") {
            writes += 1;
            return if writes <= REFUSALS { Fate::TooMany } else { Fate::Pass };
        }
        Fate::Pass
    });
    let began = Instant::now();
    let gateway = Gateway::spawn_behind(&tenant, &middlebox).await;
    eventually("some refusals", async || lists.load(Ordering::Relaxed) >= REFUSALS).await;
    // The first at once, and never more than one a second.
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("a minute at most");
    assert!(lists.load(Ordering::Relaxed) <= seconds + 2, "each refusal is waited for");
    assert!(
        gateway.process.output().contains("cannot list: made by a test: TooManyRequests (429)")
    );
    let says = gateway.admin("/readyz").await;
    assert_eq!(says.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(says.text().contains("ModelRoute"), "{}", says.text());
    let answer = gateway.chat(KEY, "chat").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "the key is not at fault");
    assert!(answer.text().contains("not_ready"), "{}", answer.text());

    throttles.store(false, Ordering::Relaxed);
    gateway.serves(KEY, "chat", "only").await;
    tenant.wait("Programmed", "modelroute/chat").await;
}

#[tokio::test]
async fn what_happened_in_a_silent_watch_is_found_once_it_expired() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "silent").await;
    let provider = provider("only").await;
    let middlebox = Middlebox::start(cluster).await;
    let gateway = Gateway::spawn_behind(&tenant, &middlebox).await;
    tenant.admit_caller().await;
    for name in ["stays", "goes"] {
        tenant.apply(route(name, &[target("only", &provider)])).await;
        gateway.serves(KEY, name, "only").await;
    }

    let silenced = Arc::new(AtomicUsize::new(0));
    let counted = silenced.clone();
    middlebox.decide(move |asked| {
        if asked.watches("modelroutes") {
            counted.fetch_add(1, Ordering::Relaxed);
            return Fate::Silence;
        }
        Fate::Pass
    });
    middlebox.cut();
    eventually("a watch that hears nothing", async || silenced.load(Ordering::Relaxed) > 0).await;
    tenant.api::<ModelRoute>().delete("goes", &DeleteParams::default()).await.expect("it is there");
    tenant.apply(route("comes", &[target("only", &provider)])).await;
    assert_eq!(gateway.chat(KEY, "stays").await.target(), Some("only"));
    assert_eq!(gateway.chat(KEY, "goes").await.target(), Some("only"), "nobody told it");
    assert!(gateway.is_ready().await);

    let mut has_listed = false;
    middlebox.decide(move |asked| {
        if asked.watches("modelroutes") && !has_listed {
            return Fate::Expired;
        }
        has_listed |= asked.reads("modelroutes");
        Fate::Pass
    });
    middlebox.cut();
    gateway.serves(KEY, "comes", "only").await;
    gateway.refuses(KEY, "goes", StatusCode::NOT_FOUND).await;
    assert_eq!(gateway.chat(KEY, "stays").await.target(), Some("only"));
}
