//! Callers who are let in, and want more than they are offered.

use http::StatusCode;
use serde_json::json;

use super::Scene;
use super::scene::B_KEY;
use crate::support::objects::route;
use crate::support::pods::target;

#[tokio::test]
async fn a_guest_picks_no_target_and_lifts_no_limit() {
    let Some(scene) = Scene::start("guest").await else { return };
    let gateway = &scene.gateway;
    let offered = |name: &str| {
        let mut dear = target();
        dear["name"] = json!("dear");
        dear["weight"] = json!(0);
        dear["model"] = json!(format!("dear-{name}"));
        dear["limits"] = json!({"requestsPerMinute": 1, "maxQueue": 0});
        let mut cheap = target();
        cheap["model"] = json!(format!("cheap-{name}"));
        let mut offered = route(name, &[cheap, dear]);
        offered["spec"]["allowedNamespaces"] = json!({"from": "All"});
        offered
    };
    scene.a.apply(offered("closed")).await;
    let mut open = offered("open");
    open["spec"]["targetSelection"] = json!("Allowed");
    scene.a.apply(open).await;
    let [closed, open] = ["closed", "open"].map(|name| format!("{}/{name}", scene.a.namespace));
    gateway.serves(B_KEY, &closed, "pool").await;
    gateway.serves(B_KEY, &open, "pool").await;

    let dear = [("x-backend", "dear")];
    let answer = gateway.chat_with(B_KEY, &closed, &dear).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    assert!(answer.text().contains("target_selection_denied"), "{}", answer.text());
    // Where the route allows it, it is one of the route's own targets, within its limits.
    let answer = gateway.chat_with(B_KEY, &open, &dear).await;
    assert_eq!(answer.target(), Some("dear"), "{}", answer.text());
    let answer = gateway.chat_with(B_KEY, &open, &dear).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.text());
    let elsewhere = [("x-backend", "../chat/pool")];
    let answer = gateway.chat_with(B_KEY, &open, &elsewhere).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    scene.ends_well(&[]).await;
}
