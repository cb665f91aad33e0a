//! Identities of AWS, against a simulated Bedrock that checks signatures and a local issuer that
//! grants keys in all the ways of AWS's chain.
//!
//! The chain looks at the environment of its process, so each test of it runs once more in a process
//! of its own, with an environment of its own and the issuer in the first.

#[path = "aws/alone.rs"]
mod alone;
#[path = "aws/issuer.rs"]
mod issuer;

use std::time::Duration;

use http::{Method, StatusCode};
use pilothouse::simulate::{AccessKey, Simulator};

use self::alone::Alone;
use self::issuer::{Issuer, granted};
use crate::answer::Answer;
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::{KEY, Rig};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const REGION: &str = "eu-central-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/models";

async fn bedrock(keys: impl IntoIterator<Item = AccessKey>) -> Simulator {
    Simulator::builder().name("alpha").access_keys(keys).start().await.unwrap()
}

/// A store `aws` with that block, and the Secret `aws-key` with the access key and a token.
fn store(block: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: aws-key, namespace: ns}}\n\
         stringData: {{id: {ID}, secret: {SECRET}, token: t0ken}}\n---\n\
         apiVersion: pilothouse.dev/v1alpha1\nkind: CredentialStore\n\
         metadata: {{name: aws, namespace: ns}}\nspec: {{type: AWS, aws: {{{block}}}}}\n"
    )
}

/// The block of the access key in the Secret.
fn access_key(more: &str) -> String {
    let from = |key: &str| format!("{{secretKeyRef: {{name: aws-key, key: {key}}}}}");
    let (id, secret, token) = (from("id"), from("secret"), from("token"));
    let token = if more == "token" { format!(", sessionToken: {token}") } else { more.to_owned() };
    format!("region: {REGION}, accessKeyId: {id}, secretAccessKey: {secret}{token}")
}

/// A target that signs with the store's identity.
fn target(simulator: &Simulator, model: &str) -> String {
    let url = simulator.url();
    format!(
        "{{name: alpha, provider: bedrock, baseURL: \"{url}\", model: \"{model}\", \
         credentialRef: {{name: aws}}}}"
    )
}

/// A rig whose route `chat` asks the simulator as Bedrock with the store's identity.
async fn rig(simulator: &Simulator, block: &str) -> Rig {
    let target = target(simulator, "anthropic.claude-sonnet-4-6-v1:0");
    Rig::start(&format!("{}{}", route_of("chat", &[target], ""), store(block))).await
}

fn assert_answered(answer: &Answer) {
    assert_eq!((answer.status, answer.target()), (StatusCode::OK, "alpha"), "{}", answer.text());
}

/// The ids of the access keys that signed what the simulator was asked.
fn signers(simulator: &Simulator) -> Vec<String> {
    let requests = simulator.requests();
    let id = |text: &str| text.split(['=', '/']).nth(1).unwrap().to_owned();
    requests.iter().map(|one| id(one.header("authorization").unwrap())).collect()
}

#[tokio::test]
async fn requests_are_signed_whatever_the_api_and_the_model() {
    let alpha = bedrock([AccessKey::new(ID, SECRET)]).await;
    let url = alpha.url();
    let profile = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc";
    let credential = "credentialRef: {name: aws}";
    let mut routes = store(&access_key(""));
    for (name, provider, base, model) in [
        ("converse", "bedrock", url.clone(), "anthropic.claude-sonnet-4-6-v1:0"),
        ("profile", "bedrock", url.clone(), profile),
        ("invoke", "bedrock-anthropic", url.clone(), "anthropic.claude-sonnet-4-6-v1:0"),
    ] {
        let target = format!(
            "{{name: alpha, provider: {provider}, baseURL: \"{base}\", model: \"{model}\", {credential}}}"
        );
        routes += &route_of(name, &[target], "");
    }
    let rig = Rig::start(&routes).await;
    for name in ["converse", "profile", "invoke"] {
        for api in [Api::Chat, Api::Messages] {
            for stream in [false, true] {
                assert_answered(&rig.ask(api, name, stream).await);
            }
        }
    }
    assert_eq!(alpha.count(), 12, "each was accepted at once");
    // A client of Bedrock's signs too; that is not passed on.
    let body = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
    let headers =
        [("x-api-key", KEY), ("x-amz-date", "20200101T000000Z"), ("x-amz-security-token", "mine")];
    let answer = rig.send(Method::POST, "/model/converse/converse", &headers, body).await;
    assert_answered(&answer);
    let seen = alpha.requests();
    assert!(seen.iter().all(|one| one.header("authorization").unwrap().contains(REGION)));
    assert!(seen.iter().all(|one| one.header("x-amz-security-token").is_none()));
}

#[tokio::test]
async fn a_temporary_key_is_sent_with_its_token() {
    let alpha = bedrock([AccessKey::new(ID, SECRET).with_token("t0ken")]).await;
    let rig = rig(&alpha, &access_key("token")).await;
    assert_answered(&rig.chat("chat").await);
}

#[tokio::test]
async fn a_refused_signature_rests_the_identity_and_the_next_target_is_asked() {
    let known = AccessKey::new(ID, SECRET);
    for keys in [vec![AccessKey::new(ID, "another")], vec![], vec![known.clone().expired()]] {
        // With none at all the simulator would take anything.
        let alpha = bedrock(keys.into_iter().chain([AccessKey::new("AKIDOTHER", "x")])).await;
        let bravo = simulator("bravo").await;
        let targets =
            [target(&alpha, "m"), Api::Chat.target("bravo", &bravo.url(), "model: m, priority: 1")];
        let text = format!("{}{}", route_of("chat", &targets, ""), store(&access_key("")));
        let rig = Rig::start(&text).await;
        for _ in 0..2 {
            let answer = rig.chat("chat").await;
            assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"));
        }
        assert_eq!(alpha.count(), 1, "a given key is not tried twice, and then it rests");
        let keys = rig.state.keys();
        let resting = keys.iter().filter(|key| key.faults() == 1).map(|key| key.identity());
        assert_eq!(resting.map(|key| &*key.key).collect::<Vec<_>>(), ["identity"]);

        alpha.set_access_keys([AccessKey::new(ID, "rotated")]);
        rig.publish(&text.replace(SECRET, "rotated"));
        assert_answered(&rig.chat("chat").await);
    }
}

#[tokio::test]
async fn a_wrong_clock_is_noticed_and_costs_one_request() {
    let key = AccessKey::new(ID, SECRET);
    let ahead = Duration::from_secs(6 * 60);
    let alpha = Simulator::builder().name("alpha").access_keys([key]).clock_ahead(ahead);
    let alpha = alpha.start().await.unwrap();
    let rig = rig(&alpha, &access_key("")).await;
    let answer = rig.chat("chat").await;
    assert_eq!(answer.json()["error"]["code"], "provider_credential", "{}", answer.text());
    assert_eq!(alpha.count(), 1);
}

#[tokio::test]
async fn a_model_that_the_identity_may_not_use_costs_no_other() {
    let alpha = bedrock([AccessKey::new(ID, SECRET)]).await;
    // What a client asks for is asked for.
    let any = target(&alpha, "").replace("model: \"\", ", "");
    let any = route_of("any", &[any], "  models: [\"any-*\"]\n");
    let one = route_of("chat", &[target(&alpha, "m")], "");
    let rig = Rig::start(&format!("{any}{one}{}", store(&access_key("")))).await;
    let words = format!("User: {ROLE} is not authorized to perform: bedrock:InvokeModel");
    alpha.set_fault(fault(&format!(
        "status=403;type=AccessDeniedException;message={words};times=3"
    )));
    let body = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
    for answer in [
        rig.chat("any-thing").await,
        rig.post("/model/any-thing/converse", body).await,
        rig.chat("any-thing").await,
    ] {
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
        assert!(answer.text().contains("may not use this model"), "{answer:?}");
        assert!(!answer.text().contains("arn:"), "whose account it is: {answer:?}");
    }
    assert_answered(&rig.chat("chat").await);
}

/// Asks with the gateway's own identity, which the simulator knows as `key`.
async fn ask_with_own(key: AccessKey) {
    let alpha = bedrock([key]).await;
    let rig = rig(&alpha, &format!("region: {REGION}")).await;
    for stream in [false, true] {
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        assert_answered(&answer);
    }
    assert_eq!(alpha.count(), 2);
}

#[tokio::test]
async fn the_chain_begins_with_the_environment() {
    if Alone::inside().is_some() {
        return ask_with_own(AccessKey::new(ID, SECRET).with_token("t0ken")).await;
    }
    let own = [
        ("AWS_ACCESS_KEY_ID", ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", "t0ken"),
    ];
    Alone::new("aws::the_chain_begins_with_the_environment").env(own).run().await;
}

#[tokio::test]
async fn the_chain_knows_profiles() {
    if Alone::inside().is_some() {
        return ask_with_own(AccessKey::new(ID, SECRET)).await;
    }
    let profile = format!("[models]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n");
    let alone = Alone::new("aws::the_chain_knows_profiles").file("credentials", &profile);
    let path = alone.path("credentials");
    let own = [("AWS_PROFILE", "models"), ("AWS_SHARED_CREDENTIALS_FILE", path.as_str())];
    alone.env(own).run().await;
}

#[tokio::test]
async fn the_chain_knows_web_identities() {
    if Alone::inside().is_some() {
        return ask_with_own(granted(1)).await;
    }
    let issuer = Issuer::start().await;
    let alone = Alone::new("aws::the_chain_knows_web_identities").file("token", issuer::JWT);
    let path = alone.path("token");
    let own = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str()),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ENDPOINT_URL_STS", &issuer.origin),
    ];
    alone.env(own).run().await;
    assert_eq!(issuer.asked(), ["AssumeRoleWithWebIdentity"], "once for all requests");
}

#[tokio::test]
async fn the_chain_knows_containers() {
    if Alone::inside().is_some() {
        return ask_with_own(granted(1)).await;
    }
    let issuer = Issuer::start().await;
    let alone = Alone::new("aws::the_chain_knows_containers").file("token", issuer::CONTAINER);
    let (url, path) = (issuer.container(), alone.path("token"));
    let own = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.as_str()),
    ];
    alone.env(own).run().await;
    assert_eq!(issuer.asked(), ["container"]);
}

#[tokio::test]
async fn the_chain_ends_with_the_instance() {
    if Alone::inside().is_some() {
        return ask_with_own(granted(1)).await;
    }
    let issuer = Issuer::start().await;
    let own = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &issuer.origin),
    ];
    Alone::new("aws::the_chain_ends_with_the_instance").env(own).run().await;
    assert_eq!(issuer.asked(), ["instance"]);
}

#[tokio::test]
async fn a_role_is_assumed_with_what_the_store_holds() {
    if Alone::inside().is_some() {
        let alpha = bedrock([granted(1)]).await;
        let role = format!(
            ", assumeRole: {{roleArn: \"{ROLE}\", externalId: gateway, sessionName: models}}"
        );
        let rig = rig(&alpha, &access_key(&role)).await;
        let answers = futures::future::join_all((0..5).map(|_| rig.chat("chat"))).await;
        answers.iter().for_each(assert_answered);
        return;
    }
    let issuer = Issuer::knowing(AccessKey::new(ID, SECRET)).await;
    let own = [("AWS_ENDPOINT_URL_STS", issuer.origin.as_str())];
    Alone::new("aws::a_role_is_assumed_with_what_the_store_holds").env(own).run().await;
    let role = format!("AssumeRole {ROLE} gateway models");
    assert_eq!(issuer.asked(), [role], "signed, and once for all requests");
}

#[tokio::test]
async fn what_the_issuer_refuses_is_told_by_its_code() {
    if Alone::inside().is_some() {
        let alpha = bedrock([granted(1)]).await;
        let role = format!(", assumeRole: {{roleArn: \"{ROLE}\"}}");
        let rig = rig(&alpha, &access_key(&role)).await;
        let answer = rig.chat("chat").await;
        assert_eq!(answer.json()["error"]["code"], "provider_credential", "{}", answer.text());
        assert!(answer.text().contains("AccessDenied"), "{}", answer.text());
        let said = format!("{} {:?}", answer.text(), rig.log_lines(1).await);
        for text in [ID, SECRET, "not authorized", ROLE] {
            assert!(!said.contains(text), "{said}");
        }
        assert_eq!(alpha.count(), 0, "nothing is sent that is not signed");
        return;
    }
    // It knows another key by that id.
    let issuer = Issuer::knowing(AccessKey::new(ID, "another")).await;
    let own = [("AWS_ENDPOINT_URL_STS", issuer.origin.as_str())];
    Alone::new("aws::what_the_issuer_refuses_is_told_by_its_code").env(own).run().await;
}

/// As if so much time had passed that a granted key may be replaced.
async fn pass() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_refused_key_is_replaced_and_the_request_tried_once_more() {
    if Alone::inside().is_some() {
        let alpha = bedrock([granted(1)]).await;
        let rig = rig(&alpha, &format!("region: {REGION}")).await;
        assert_answered(&rig.chat("chat").await);
        // A key that was granted just now would be replaced by one that fares no better.
        pass().await;
        alpha.set_access_keys([granted(1).expired(), granted(2)]);
        for stream in [false, true] {
            let answer = rig.ask(Api::Chat, "chat", stream).await;
            assert_answered(&answer);
            assert_eq!(answer.header("x-pilothouse-attempts"), "1");
        }
        assert_eq!(signers(&alpha), ["AKID1", "AKID1", "AKID2", "AKID2"]);
        // What is refused again and again is tried once more, and rests.
        pass().await;
        alpha.set_access_keys([AccessKey::new("AKIDOTHER", "x")]);
        assert_eq!(rig.chat("chat").await.json()["error"]["code"], "provider_credential");
        assert_eq!(signers(&alpha)[4..], ["AKID2", "AKID3"]);
        assert!(!rig.chat("chat").await.status.is_success());
        assert_eq!(alpha.count(), 6, "it rests");
        return;
    }
    let issuer = Issuer::start().await;
    let url = issuer.container();
    let own = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", issuer::CONTAINER),
    ];
    let name = "aws::a_refused_key_is_replaced_and_the_request_tried_once_more";
    Alone::new(name).env(own).run().await;
    assert_eq!(issuer.asked(), ["container"; 3]);
}

#[tokio::test]
async fn while_the_issuer_is_away_the_next_target_is_asked() {
    if Alone::inside().is_some() {
        let (alpha, bravo) = tokio::join!(bedrock([granted(1)]), simulator("bravo"));
        let targets =
            [target(&alpha, "m"), Api::Chat.target("bravo", &bravo.url(), "model: m, priority: 1")];
        let block = format!("region: {REGION}");
        let rig = Rig::start(&format!("{}{}", route_of("chat", &targets, ""), store(&block))).await;
        for stream in [false, true] {
            let answer = rig.ask(Api::Chat, "chat", stream).await;
            assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"));
        }
        assert_eq!(alpha.count(), 0);
        return;
    }
    let issuer = Issuer::granting(0).await;
    let url = issuer.container();
    let own = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", issuer::CONTAINER),
    ];
    let name = "aws::while_the_issuer_is_away_the_next_target_is_asked";
    Alone::new(name).env(own).run().await;
    assert!(issuer.asked().iter().all(|asked| asked == "container"));
}
