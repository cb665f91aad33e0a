//! Addresses inside, as a `baseURL`.

use http::StatusCode;

use super::Scene;
use super::scene::{B_KEY, at};
use crate::support::eventually_some;

/// Hosts that are addresses inside, as they are written in numbers: clouds' metadata services,
/// loopback, private and shared ranges. A resolver takes the last lines for names, as it takes any
/// name whose address is inside: what they mean is seen when a connection is made.
const INSIDE: &[&str] = &[
    "169.254.169.254",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "100.100.100.200",
    "127.0.0.1",
    "[::1]",
    "0.0.0.0",
    "10.96.0.1",
    "192.168.0.1",
    "localhost",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "169.254.43518",
    "2130706433",
    "127.1",
];

#[tokio::test]
async fn no_address_inside_is_reached_in_any_spelling() {
    let Some(scene) = Scene::start("inside").await else { return };
    let admin = scene.gateway.admin;
    let own_name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut urls: Vec<String> = INSIDE.iter().map(|host| format!("https://{host}/v1")).collect();
    urls.extend([
        format!("https://{admin}/v1"),
        // Plain http goes nowhere that the operator has not allowed.
        format!("http://{admin}/admin"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://api.provider.example/v1".to_owned(),
    ]);
    if !own_name.trim().is_empty() {
        urls.push(format!("https://{}/v1", own_name.trim()));
    }
    let own_address = scene.provider.addr();
    urls.push(format!("https://{own_address}/v1"));
    for (number, url) in urls.iter().enumerate() {
        let name = format!("inside-{number}");
        if scene.b.try_apply(at(&name, url)).await.is_err() {
            continue;
        }
        is_refused(&scene, &name, url).await;
    }
    scene.ends_well(&[]).await;
}

/// An address that is written out is told by the route's status; of a name it is seen when a
/// connection is to be made, and the caller is told.
async fn is_refused(scene: &Scene<'_>, name: &str, url: &str) {
    let answer = eventually_some(&format!("an answer about {url}"), async || {
        let answer = scene.gateway.chat(B_KEY, name).await;
        (answer.status != StatusCode::NOT_FOUND).then_some(answer)
    })
    .await;
    let (said, path) = (answer.text(), "spec.targets[0].baseURL");
    match answer.status {
        StatusCode::SERVICE_UNAVAILABLE => {
            let refused = ("False", "AddressNotPermitted");
            let told = scene.b.condition_is(("ModelRoute", name), "ResolvedRefs", refused).await;
            assert!(told.message.contains(path) && said.contains(path), "{url}: {told:?}\n{said}");
        }
        StatusCode::BAD_GATEWAY => {
            // Or this machine's resolver has no address for it.
            let why = said.contains("--allow-upstream-cidr") || said.contains("resolve");
            assert!(why, "{url}: {said}");
        }
        other => panic!("{url} is answered {other}: {said}"),
    }
}
