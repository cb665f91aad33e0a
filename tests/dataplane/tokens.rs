//! Providers that want a token of Google Cloud or of Entra ID, which somebody else grants.

use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use pilothouse::simulate::{Flavor, Simulator};
use serde_json::Value;

use crate::answer::Answer;
use crate::issuer::{CLIENT, CLIENT_SECRET, Issuer, TENANT};
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::Rig;

const HOUR: u64 = 3600;
/// Of a token's life in tests that see it end. It is renewed in its last fifth, a little earlier if
/// chance has it so.
const SHORT: u64 = 100;
const NEAR_THE_END: u64 = 85;
const PAST_THE_END: u64 = SHORT - NEAR_THE_END + 1;
/// The places of targets at the simulated clouds.
const IN_VERTEX: &str = "/v1/projects/p/locations/europe-west1";
const IN_AZURE: &str = "/openai/v1";

/// The stores `google` and `azure`, whose identities this issuer knows.
fn stores(issuer: &Issuer) -> String {
    let (origin, key) = (&issuer.origin, Value::from(&*issuer.account_key));
    format!(
        r#"---
apiVersion: v1
kind: Secret
metadata: {{name: identities, namespace: ns}}
stringData: {{account: {key}, application: "{CLIENT_SECRET}"}}
---
apiVersion: pilothouse.dev/v1alpha1
kind: CredentialStore
metadata: {{name: google, namespace: ns}}
spec:
  type: Google
  google: {{serviceAccountKey: {{secretKeyRef: {{name: identities, key: account}}}}}}
---
apiVersion: pilothouse.dev/v1alpha1
kind: CredentialStore
metadata: {{name: azure, namespace: ns}}
spec:
  type: Azure
  azure:
    tenantId: {TENANT}
    clientId: {CLIENT}
    clientSecret: {{secretKeyRef: {{name: identities, key: application}}}}
    authorityHost: "{origin}"
"#
    )
}

async fn cloud(flavor: Flavor, tokens: &[&str]) -> Simulator {
    let builder = Simulator::builder().name("alpha").provider(flavor);
    builder.keys(tokens.iter().copied()).start().await.unwrap()
}

/// A target at a cloud.
fn at(provider: &str, base: &str, cloud: &Simulator) -> String {
    let store = if provider.starts_with("vertex") { "google" } else { "azure" };
    let model = if provider == "vertex" { "gemini-3.1-pro" } else { "gpt-sim" };
    format!(
        "{{name: cloud, provider: {provider}, baseURL: \"{}{base}\", model: {model}, \
         credentialRef: {{name: {store}}}}}",
        cloud.url()
    )
}

/// A gateway whose only route asks the cloud first and `others` when that does not answer.
async fn rig(issuer: &Issuer, target: String, others: &[&Simulator]) -> Rig {
    let mut targets = vec![target];
    for other in others {
        targets.push(Api::Chat.target("other", &other.url(), "model: m, priority: 1"));
    }
    Rig::start(&format!("{}{}", stores(issuer), route_of("chat", &targets, ""))).await
}

fn assert_answered(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("x-used-fallback"), "false");
    assert_eq!(answer.header("x-pilothouse-attempts"), "1");
}

/// The tokens that a cloud was asked with, in order.
fn tokens_seen(cloud: &Simulator) -> Vec<String> {
    let token = |value: &str| value.strip_prefix("Bearer ").unwrap().to_owned();
    cloud.requests().iter().map(|one| token(one.header("authorization").unwrap())).collect()
}

/// Lets time pass for tokens. Not more than two minutes in all: the limits of requests are taken
/// from a clock that does not notice.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn every_door_of_vertex_takes_the_token_of_a_service_account() {
    for (provider, base) in [
        ("vertex", IN_VERTEX),
        ("vertex-openai", "/v1/projects/p/locations/europe-west1/endpoints/openapi"),
        ("vertex-anthropic", IN_VERTEX),
    ] {
        let issuer = Issuer::start(HOUR).await;
        let alpha = cloud(Flavor::Vertex, &[]).await;
        let mut target = at(provider, base, &alpha);
        if provider == "vertex-anthropic" {
            target = target.replace("gpt-sim", "claude-sonnet-4-6");
        }
        let rig = rig(&issuer, target, &[]).await;
        for api in Api::ALL {
            for stream in [false, true] {
                assert_answered(&rig.ask(api, "chat", stream).await);
            }
        }
        let seen = tokens_seen(&alpha);
        assert_eq!(issuer.verify(&seen[0]), Ok(()));
        assert_eq!(seen, vec![seen[0].as_str(); 6], "{provider}");
        assert_eq!(issuer.asked(), 0, "the account signs for itself");
    }
}

#[tokio::test]
async fn azure_takes_the_token_of_an_application() {
    for (provider, base) in [("azure-openai", IN_AZURE), ("azure-anthropic", "/anthropic")] {
        let issuer = Issuer::start(HOUR).await;
        let alpha = cloud(Flavor::Azure, &["entra-1"]).await;
        let target = at(provider, base, &alpha);
        let rig = rig(&issuer, target.replace("gpt-sim", "claude-sonnet-4-6"), &[]).await;
        for stream in [false, true] {
            assert_answered(&rig.ask(Api::Chat, "chat", stream).await);
            assert_answered(&rig.ask(Api::Messages, "chat", stream).await);
        }
        assert_eq!(tokens_seen(&alpha), vec!["entra-1"; 4], "{provider}");
        for request in alpha.requests() {
            assert_eq!(request.header("api-key").or(request.header("x-api-key")), None);
        }
        assert_eq!((issuer.asked(), issuer.refused()), (1, Vec::new()));
    }
}

#[tokio::test]
async fn requests_that_come_together_wait_for_one_token_and_tables_keep_it() {
    let issuer = Issuer::start(HOUR).await;
    let alpha = cloud(Flavor::Azure, &["entra-1"]).await;
    let target = at("azure-openai", IN_AZURE, &alpha);
    let rig = rig(&issuer, target.clone(), &[]).await;
    for answer in join_all((0..20).map(|_| rig.chat("chat"))).await {
        assert_answered(&answer);
    }
    rig.publish(&format!("{}{}", stores(&issuer), route_of("another", &[target], "")));
    assert_answered(&rig.chat("another").await);
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn an_issuer_that_is_away_costs_its_target_and_not_the_request() {
    let issuer = Issuer::start(HOUR).await;
    issuer.leave();
    let alpha = cloud(Flavor::Azure, &["entra-1"]).await;
    let bravo = simulator("bravo").await;
    let target = at("azure-openai", IN_AZURE, &alpha);
    let with_another = rig(&issuer, target.clone(), &[&bravo]).await;
    for _ in 0..3 {
        let answer = with_another.chat("chat").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.header("x-used-fallback"), "true");
    }
    assert_eq!(issuer.asked(), 1, "it is left alone for a while");
    assert_eq!((alpha.requests().len(), bravo.requests().len()), (0, 3));
    let answer = rig(&issuer, target, &[]).await.chat("chat").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");
    assert!(answer.text().contains("Entra ID granted nothing"), "{answer:?}");
}

#[tokio::test]
async fn a_token_is_used_to_its_end_when_no_other_is_granted() {
    let issuer = Issuer::start(SHORT).await;
    let alpha = cloud(Flavor::Azure, &["entra-1"]).await;
    let rig = rig(&issuer, at("azure-openai", IN_AZURE, &alpha), &[]).await;
    assert_answered(&rig.chat("chat").await);
    issuer.leave();
    pass(NEAR_THE_END).await;
    assert_answered(&rig.chat("chat").await);
    rig.wait_for("a renewal in vain", || issuer.asked() == 2).await;
    assert_answered(&rig.chat("chat").await);
    pass(PAST_THE_END).await;
    assert_eq!(rig.chat("chat").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(tokens_seen(&alpha), ["entra-1"; 3]);
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_and_nobody_waits() {
    let issuer = Issuer::start(SHORT).await;
    let alpha = cloud(Flavor::Azure, &["entra-1", "entra-2"]).await;
    let rig = rig(&issuer, at("azure-openai", IN_AZURE, &alpha), &[]).await;
    assert_answered(&rig.chat("chat").await);
    pass(NEAR_THE_END).await;
    assert_answered(&rig.chat("chat").await);
    rig.wait_for("the next token", || issuer.asked() == 2).await;
    // It is there a moment after it was granted.
    let mut asked = 2;
    while tokens_seen(&alpha).last().is_none_or(|last| last != "entra-2") {
        assert!(asked < 200, "the next token is never used");
        assert_answered(&rig.chat("chat").await);
        asked += 1;
    }
    pass(PAST_THE_END).await;
    assert_answered(&rig.chat("chat").await);
    assert_eq!(tokens_seen(&alpha)[..2], ["entra-1", "entra-1"]);
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn a_token_that_the_provider_refuses_is_renewed_once() {
    for (status, stream) in [(401, false), (403, true)] {
        let issuer = Issuer::start(HOUR).await;
        let alpha = cloud(Flavor::Azure, &["entra-1", "entra-2"]).await;
        let rig = rig(&issuer, at("azure-openai", IN_AZURE, &alpha), &[]).await;
        assert_answered(&rig.chat("chat").await);
        // One that was granted a moment ago is not thrown away: the next would be like it.
        pass(31).await;
        alpha.set_fault(fault(&format!("status={status};times=1")));
        assert_answered(&rig.ask(Api::Chat, "chat", stream).await);
        assert_eq!(tokens_seen(&alpha), ["entra-1", "entra-1", "entra-2"]);
        alpha.set_fault(fault(&format!("status={status}")));
        let answer = rig.chat("chat").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");
        assert_eq!(alpha.requests().len(), 4, "and not again and again");
        assert_eq!(issuer.asked(), 2);
    }
}

#[tokio::test]
async fn a_token_that_vertex_refuses_is_signed_anew_once() {
    let issuer = Issuer::start(HOUR).await;
    let alpha = cloud(Flavor::Vertex, &[]).await;
    let rig = rig(&issuer, at("vertex", IN_VERTEX, &alpha), &[]).await;
    assert_answered(&rig.chat("chat").await);
    pass(31).await;
    alpha.set_fault(fault("status=401;times=1"));
    assert_answered(&rig.chat("chat").await);
    alpha.set_fault(fault("status=401"));
    assert_eq!(rig.chat("chat").await.status, StatusCode::BAD_GATEWAY);
    let seen = tokens_seen(&alpha);
    assert_eq!(seen.len(), 4, "and not again and again");
    assert!(seen.iter().all(|token| issuer.verify(token) == Ok(())));
}

#[tokio::test]
async fn a_rotated_secret_is_another_identity_at_once() {
    let issuer = Issuer::start(HOUR).await;
    let alpha = cloud(Flavor::Azure, &["entra-1", "entra-2"]).await;
    let target = at("azure-openai", IN_AZURE, &alpha);
    let rig = rig(&issuer, target.clone(), &[]).await;
    assert_answered(&rig.chat("chat").await);
    let wrong = stores(&issuer).replace(CLIENT_SECRET, "revoked");
    let route = route_of("chat", &[target], "");
    rig.publish(&format!("{wrong}{route}"));
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");
    assert!(answer.text().contains("400 (invalid_grant)") && !answer.text().contains("revoked"));
    assert_eq!(issuer.refused(), [r#"client_secret is Some("revoked")"#]);
    rig.publish(&format!("{}{route}", stores(&issuer)));
    assert_answered(&rig.chat("chat").await);
    assert_eq!(alpha.requests().len(), 2);
}
