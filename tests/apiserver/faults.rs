//! A bad object hurts itself alone.

use http::StatusCode;
use serde_json::json;

use crate::support::objects::{
    KEY, consumer, ours, provider, route, secret, store, target, target_with_store,
};
use crate::support::{Cluster, Gateway, Tenant, loose};

#[tokio::test]
async fn a_route_that_cannot_be_read_costs_no_other_route() {
    let Some(cluster) = loose::shared().await else { return };
    let tenant = Tenant::new(cluster, "unreadable").await;
    let provider = provider("only").await;
    let before = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(route("good", &[target("only", &provider)])).await;
    before.serves(KEY, "good", "only").await;

    loose::apply(&tenant, ours("ModelRoute", "bad", &json!({"targets": "none"}))).await;

    let invalid = ("False", "Invalid");
    let accepted = tenant.condition_is(("ModelRoute", "bad"), "Accepted", invalid).await;
    assert!(accepted.message.contains("spec.targets"), "{accepted:?}");
    // The watch goes on...
    tenant.apply(route("later", &[target("only", &provider)])).await;
    before.serves(KEY, "later", "only").await;
    assert_eq!(before.chat(KEY, "good").await.target(), Some("only"));
    // ... and a list with the bad one in it is read, too.
    let after = Gateway::start(&tenant).await;
    after.serves(KEY, "good", "only").await;
    after.serves(KEY, "later", "only").await;
    // It was never served, so there is nothing to go on with; its name is its own all the same.
    assert_eq!(after.chat(KEY, "bad").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_broken_edit_leaves_the_last_good_version() {
    let Some(cluster) = loose::shared().await else { return };
    let tenant = Tenant::new(cluster, "broken-edit").await;
    let (left, right) = (provider("left").await, provider("right").await);
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("left", &left)])).await;
    gateway.serves(KEY, "chat", "left").await;

    let mut broken = route("chat", &[target("left", &left)]);
    broken["spec"]["timeouts"] = json!({"request": "soon"});
    loose::apply(&tenant, broken).await;

    let stale = ("False", "StaleGeneration");
    let programmed = tenant.condition_is(("ModelRoute", "chat"), "Programmed", stale).await;
    assert!(programmed.message.contains("generation 1"), "{programmed:?}");
    assert_eq!(gateway.chat(KEY, "chat").await.target(), Some("left"));

    loose::apply(&tenant, route("chat", &[target("right", &right)])).await;
    gateway.serves(KEY, "chat", "right").await;
    let good = ("True", "Programmed");
    tenant.condition_is(("ModelRoute", "chat"), "Programmed", good).await;
}

#[tokio::test]
async fn a_consumer_with_a_field_that_nobody_knows_is_let_in_nowhere() {
    let Some(cluster) = loose::shared().await else { return };
    let tenant = Tenant::new(cluster, "unknown-field").await;
    let provider = provider("only").await;
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    gateway.serves(KEY, "chat", "only").await;

    // It may restrict the caller in a way that only a newer gateway knows.
    let mut restricted = consumer("caller", "caller");
    restricted["spec"]["onlyOnSundays"] = json!(true);
    loose::apply(&tenant, restricted).await;

    gateway.refuses(KEY, "chat", StatusCode::UNAUTHORIZED).await;
    let unknown = ("False", "UnknownField");
    let accepted = tenant.condition_is(("Consumer", "caller"), "Accepted", unknown).await;
    assert!(accepted.message.contains("onlyOnSundays"), "{accepted:?}");
}

#[tokio::test]
async fn a_target_that_cannot_be_used_leaves_the_others() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "bad-target").await;
    let provider = provider("here").await;
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    let mut unheard_of = target("unheard-of", &provider);
    unheard_of["provider"] = json!("no-such-provider");
    let without_store = target_with_store("without-store", &provider, "no-such-store");
    let mut last = target("here", &provider);
    last["priority"] = json!(1);

    tenant.apply(route("chat", &[unheard_of, without_store.clone(), last])).await;
    tenant.apply(route("nothing-left", &[without_store])).await;

    gateway.serves(KEY, "chat", "here").await;
    let unresolved = ("False", "UnknownProvider");
    let resolved = tenant.condition_is(("ModelRoute", "chat"), "ResolvedRefs", unresolved).await;
    assert!(resolved.message.contains("spec.targets[1].credentialRef"), "{resolved:?}");

    let answer = gateway.has_no_target(KEY, "nothing-left", "credentialRef").await;
    assert!(answer.text().contains("nothing-left"), "{}", answer.text());

    // What it lacked comes, and it is used without another edit of the route.
    tenant.apply(store("no-such-store", &provider, "late")).await;
    tenant.apply(secret("late", "an-upstream-key-that-was-late")).await;
    gateway.serves(KEY, "nothing-left", "without-store").await;
    gateway.serves(KEY, "chat", "without-store").await;
}
