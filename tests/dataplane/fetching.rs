//! Pictures and documents by URL, for targets that want the bytes.

use http::{Method, StatusCode};
use pilothouse::simulate::{Flavor, Simulator};
use pilothouse::upstream::AddressPolicy;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::host::{Host, Page, gif, pdf, png};
use crate::routes::{ONCE, route_of};
use crate::support::{KEY, Options, Rig, connector};

/// Goes wherever it is sent.
fn fetching() -> Options {
    Options { fetches: true, ..Options::default() }
}

/// Goes to public addresses and `127.0.0.1`.
fn fetching_here() -> Options {
    let here = "127.0.0.1/32".parse().unwrap();
    let fetcher = connector(AddressPolicy::PublicAnd(vec![here]));
    Options { fetches: true, fetcher, ..Options::default() }
}

async fn target(flavor: Flavor) -> Simulator {
    Simulator::builder().provider(flavor).name("alpha").start().await.unwrap()
}

fn line(provider: &str, simulator: &Simulator, rest: &str) -> String {
    let path = match provider {
        "gemini" => "/v1beta",
        "bedrock" | "bedrock-anthropic" | "anthropic-compatible" => "",
        _ => "/v1",
    };
    format!(
        "{{name: {provider}, provider: {provider}, model: m, baseURL: \"{}{path}\", {rest}}}",
        simulator.url()
    )
}

async fn rig(provider: &str, flavor: Flavor, options: Options) -> (Rig, Simulator) {
    let alpha = target(flavor).await;
    let routes = route_of("chat", &[line(provider, &alpha, "")], "");
    (Rig::start_with(&routes, options).await, alpha)
}

/// A chat request with a picture at each of these URLs.
fn chat(urls: &[&str]) -> String {
    let pictures = urls.iter().map(|url| json!({"type": "image_url", "image_url": {"url": url}}));
    let mut content = vec![json!({"type": "text", "text": "What is it?"})];
    content.extend(pictures);
    json!({"model": "chat", "messages": [{"role": "user", "content": content}]}).to_string()
}

async fn ask(rig: &Rig, urls: &[&str]) -> Answer {
    rig.post("/v1/chat/completions", chat(urls)).await
}

/// The request is the client's mistake, and the field is named.
fn assert_refused(answer: &Answer, field: &str, why: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.json()["error"]["param"], field, "{answer:?}");
    assert!(answer.text().contains(why), "{answer:?}");
    assert_eq!(answer.headers["x-should-retry"], "false");
}

const FIELD: &str = "messages[0].content[1].image_url";

#[tokio::test]
async fn a_picture_by_url_reaches_a_target_that_wants_bytes() {
    let host = Host::start([("/a.png", Page::of("image/png", &png()))]).await;
    let url = host.url("/a.png");
    let cases = [
        ("gemini", Flavor::Gemini, "/contents/0/parts/1/inlineData/data"),
        ("bedrock", Flavor::Bedrock, "/messages/0/content/1/image/source/bytes"),
        ("bedrock-anthropic", Flavor::Bedrock, "/messages/0/content/1/source/data"),
    ];
    for (count, (provider, flavor, place)) in cases.into_iter().enumerate() {
        let (rig, alpha) = rig(provider, flavor, fetching()).await;
        let answer = ask(&rig, &[&url]).await;
        assert_eq!(answer.status, StatusCode::OK, "{provider}: {answer:?}");
        let sent = alpha.requests()[0].json();
        assert_eq!(sent.pointer(place), Some(&json!(png().base64())), "{sent}");
        assert_eq!(host.count(), count + 1);
        rig.wait_for("the memory to come back", || rig.metrics.buffered_bytes.get() == 0).await;
    }
}

#[tokio::test]
async fn a_picture_by_url_in_a_message_reaches_claude_on_a_cloud() {
    let host = Host::start([("/a.png", Page::of("image/png", &png()))]).await;
    let (rig, alpha) = rig("bedrock-anthropic", Flavor::Bedrock, fetching()).await;
    let source = json!({"type": "url", "url": host.url("/a.png")});
    let body = json!({"model": "chat", "max_tokens": 9, "messages": [{"role": "user",
        "content": [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]}]});
    let answer = rig.post("/v1/messages", body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let sent = alpha.requests()[0].json();
    let bytes = json!({"type": "base64", "media_type": "image/png", "data": png().base64()});
    assert_eq!(sent.pointer("/messages/0/content/0/source"), Some(&bytes), "{sent}");
    assert_eq!(sent["anthropic_version"], "bedrock-2023-05-31");
}

#[tokio::test]
async fn nothing_of_the_client_or_the_gateway_goes_along() {
    let host = Host::start([("/a.png?sig=1", Page::of("image/png", &png()))]).await;
    let (rig, _alpha) = rig("gemini", Flavor::Gemini, fetching()).await;
    let headers = [("x-api-key", KEY), ("cookie", "a=b"), ("traceparent", "00-1-2-00")];
    let body = chat(&[&host.url("/a.png?sig=1")]);
    let answer = rig.send(Method::POST, "/v1/chat/completions", &headers, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let head = host.heads().remove(0).to_ascii_lowercase();
    let names: Vec<&str> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split(':').next())
        .filter(|n| !n.is_empty())
        .collect();
    let known = ["accept", "accept-encoding", "user-agent", "host", "content-length"];
    assert!(names.iter().all(|name| known.contains(name)), "{head}");
    assert!(head.starts_with("get /a.png?sig=1 "), "{head}");
}

#[tokio::test]
async fn a_document_by_url_reaches_chat_completions_that_have_no_place_for_one() {
    let host = Host::start([("/a", Page::of("application/pdf", &pdf()))]).await;
    let (rig, alpha) = rig("openai-compatible", Flavor::OpenAi, fetching()).await;
    let content = json!([{"type": "document", "source": {"type": "url", "url": host.url("/a")}}]);
    let body = json!({"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": content}]});
    let answer = rig.post("/v1/messages", body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let sent = alpha.requests()[0].json();
    let file = &sent["messages"][0]["content"][0]["file"]["file_data"];
    assert_eq!(file, &json!(format!("data:application/pdf;base64,{}", pdf().base64())), "{sent}");
}

#[tokio::test]
async fn a_target_that_fetches_by_itself_is_given_the_url() {
    let host = Host::start([("/a.png", Page::of("image/png", &png()))]).await;
    let (rig, alpha) = rig("anthropic-compatible", Flavor::Anthropic, fetching()).await;
    let url = host.url("/a.png");
    assert_eq!(ask(&rig, &[&url]).await.status, StatusCode::OK);
    assert_eq!(alpha.requests()[0].json()["messages"][0]["content"][1]["source"]["url"], url);
    assert_eq!(host.count(), 0);
}

#[tokio::test]
async fn a_file_is_fetched_once_however_often_it_is_named_and_however_many_targets_are_tried() {
    let host = Host::start([("/a.png", Page::of("image/png", &png()))]).await;
    let (alpha, bravo) = (target(Flavor::Gemini).await, target(Flavor::Bedrock).await);
    alpha.set_fault("status=500".parse().unwrap());
    let targets = [line("gemini", &alpha, "priority: 0"), line("bedrock", &bravo, "priority: 1")];
    let rig = Rig::start_with(&route_of("chat", &targets, ONCE), fetching()).await;
    let url = host.url("/a.png");
    let answer = ask(&rig, &[&url, &url]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.headers["x-used-provider"], "bedrock");
    assert_eq!((alpha.count(), bravo.count(), host.count()), (1, 1, 1));
}

#[tokio::test]
async fn a_chat_that_passes_to_a_server_which_fetches_nothing_changes_in_its_urls_alone() {
    let host = Host::start([("/a.png", Page::of("image/png", &png()))]).await;
    let (rig, alpha) = rig("ollama", Flavor::OpenAi, fetching()).await;
    let url = host.url("/a.png");
    let body = chat(&[&url]).replace("\"messages\"", "\"keep_alive\": 1.50, \"messages\"");
    assert_eq!(rig.post("/v1/chat/completions", body.clone()).await.status, StatusCode::OK);
    let data = format!("data:image/png;base64,{}", png().base64());
    let expected = body.replace("\"chat\"", "\"m\"").replace(&url, &data);
    assert_eq!(alpha.requests()[0].body, expected);
}

#[tokio::test]
async fn a_message_that_passes_to_claude_at_a_cloud_changes_in_its_urls_alone() {
    let host = Host::start([("/a.png", Page::of("image/png", &png()))]).await;
    let alpha = target(Flavor::Vertex).await;
    let line = format!(
        "{{name: alpha, provider: vertex-anthropic, model: claude-x, \
         baseURL: \"{}/v1/projects/p/locations/us-east5\"}}",
        alpha.url()
    );
    let rig = Rig::start_with(&route_of("chat", &[line], ""), fetching()).await;
    let source = json!({"type": "url", "url": host.url("/a.png")});
    let content =
        json!([{"type": "image", "source": source, "cache_control": {"type": "ephemeral"}}]);
    let body = json!({"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": content}]});
    let answer = rig.post("/v1/messages", body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let sent = alpha.requests()[0].json();
    let picture = &sent["messages"][0]["content"][0];
    let data = json!({"type": "base64", "media_type": "image/png", "data": png().base64()});
    assert_eq!(picture["source"], data, "{sent}");
    assert_eq!(picture["cache_control"]["type"], "ephemeral", "{sent}");
    assert!(!answer.headers.contains_key("x-pilothouse-warnings"), "{answer:?}");
}

#[tokio::test]
async fn what_cannot_be_fetched_is_the_clients_mistake_and_nobody_else_is_asked() {
    let host = Host::start([
        ("/page", Page::of("text/html", b"<!doctype html><p>hello, hello, hello")),
        ("/secret", Page::of("image/png", br#"{"token": "of the metadata service"}"#)),
        ("/gone", Page::status(404)),
        ("/long", Page::announcing(20 << 20 | 1)),
        ("/packed", Page::of("image/png", &png()).with("content-encoding: gzip")),
        ("/more", Page::of("image/png", &png().padded(1 << 20))),
    ])
    .await;
    let (alpha, bravo) = (target(Flavor::Gemini).await, target(Flavor::OpenAi).await);
    let targets =
        [line("gemini", &alpha, "priority: 0"), line("openai-compatible", &bravo, "priority: 1")];
    let rig = Rig::start_with(&route_of("chat", &targets, ""), fetching()).await;
    for (path, why) in [
        ("/page", "neither a picture"),
        ("/secret", "neither a picture"),
        ("/gone", "status 404"),
        ("/long", "larger than 20971520 bytes"),
        ("/packed", "compressed"),
        // The rig takes requests of one MiB.
        ("/more", "--max-body-size"),
    ] {
        assert_refused(&ask(&rig, &[&host.url(path)]).await, FIELD, why);
    }
    assert_refused(&ask(&rig, &["http://127.0.0.1:1/a.png"]).await, FIELD, "does not answer");
    let with_password = host.url("/a.png").replace("http://", "http://user:pass@");
    assert_refused(&ask(&rig, &[&with_password]).await, FIELD, "password");
    assert_eq!((alpha.count(), bravo.count()), (0, 0));
    rig.wait_for("the memory to come back", || rig.metrics.buffered_bytes.get() == 0).await;
}

#[tokio::test]
async fn the_refusal_has_the_shape_of_the_clients_api() {
    let (rig, _alpha) = rig("gemini", Flavor::Gemini, fetching()).await;
    let content =
        json!([{"type": "image", "source": {"type": "url", "url": "http://127.0.0.1:1/"}}]);
    let body = json!({"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": content}]});
    let answer = rig.post("/v1/messages", body.to_string()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{answer:?}");
    assert!(answer.text().contains("messages[0].content[0]"), "{answer:?}");
}

#[tokio::test]
async fn no_address_inside_is_reached_by_name_by_number_or_by_redirect() {
    let host = Host::start([
        ("/metadata", Page::redirect("http://169.254.169.254/latest/meta-data/")),
        ("/other", Page::redirect("http://127.0.0.2/")),
        ("/file", Page::redirect("file:///etc/passwd")),
        ("/a.png", Page::of("image/png", &png())),
    ])
    .await;
    let (rig, alpha) = rig("gemini", Flavor::Gemini, fetching_here()).await;
    assert_eq!(ask(&rig, &[&host.url("/a.png")]).await.status, StatusCode::OK);
    for path in ["/metadata", "/other"] {
        assert_refused(&ask(&rig, &[&host.url(path)]).await, FIELD, "no address that may be");
    }
    assert_refused(&ask(&rig, &[&host.url("/file")]).await, FIELD, "no URL of `https:`");
    let port = host.url("").rsplit(':').next().unwrap().to_owned();
    for name in ["http://[::1]", "http://0x7f.0.0.2", "http://169.254.169.254", "https://10.0.0.1"]
    {
        let answer = ask(&rig, &[&format!("{name}:{port}/a.png")]).await;
        assert_refused(&answer, FIELD, "no address that may be");
    }
    assert_eq!((alpha.count(), host.count()), (1, 4));
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_however_it_is_called() {
    let host = Host::start([("/a.png", Page::of("image/png", &png()))]).await;
    let fetcher = connector(AddressPolicy::PublicAnd(Vec::new()));
    let options = Options { fetches: true, fetcher, ..Options::default() };
    let (rig, alpha) = rig("gemini", Flavor::Gemini, options).await;
    let url = host.url("/a.png");
    let refused = ask(&rig, &[&url.replace("127.0.0.1", "localhost")]).await;
    assert_refused(&refused, FIELD, "no address that may be");
    // A name that does not exist looks the same: names inside are nobody's business.
    let unknown = ask(&rig, &["https://nowhere.invalid/a.png"]).await;
    let told = |answer: &Answer| answer.json()["error"]["message"].clone();
    assert_eq!(told(&refused), told(&unknown));
    assert_eq!((alpha.count(), host.count()), (0, 0));
}

#[tokio::test]
async fn three_redirects_are_followed_and_no_more() {
    let host = Host::start([
        ("/4", Page::redirect("3")),
        ("/3", Page::redirect("/2")),
        ("/2", Page::redirect("./1?x")),
        ("/1?x", Page::redirect("/a.png")),
        ("/a.png", Page::of("application/octet-stream", &gif())),
        ("/nowhere", Page::status(302)),
    ])
    .await;
    let (rig, alpha) = rig("gemini", Flavor::Gemini, fetching()).await;
    assert_eq!(ask(&rig, &[&host.url("/3")]).await.status, StatusCode::OK);
    let sent = alpha.requests()[0].json();
    assert_eq!(sent["contents"][0]["parts"][1]["inlineData"]["mimeType"], "image/gif", "{sent}");
    assert_refused(&ask(&rig, &[&host.url("/4")]).await, FIELD, "redirected");
    assert_refused(&ask(&rig, &[&host.url("/nowhere")]).await, FIELD, "");
}

#[tokio::test]
async fn a_request_names_few_files() {
    let host = Host::start([]).await;
    let (rig, _alpha) = rig("gemini", Flavor::Gemini, fetching()).await;
    let urls: Vec<String> = (0..21).map(|number| host.url(&format!("/{number}.png"))).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let answer = ask(&rig, &urls).await;
    assert_refused(&answer, "messages[0].content[21].image_url", "20 files");
    assert_eq!(host.count(), 0);
}

#[tokio::test]
async fn a_host_that_says_nothing_is_waited_for_no_longer_than_the_request_may_take() {
    let host = Host::start([("/a.png", Page::silence())]).await;
    let (rig, alpha) = rig("gemini", Flavor::Gemini, fetching()).await;
    let headers = [("x-api-key", KEY), ("x-stainless-read-timeout", "0.2")];
    let body = chat(&[&host.url("/a.png")]);
    let answer = rig.send(Method::POST, "/v1/chat/completions", &headers, body).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
    assert_eq!((alpha.count(), host.count()), (0, 1));
}

#[tokio::test]
async fn a_gateway_that_fetches_nothing_refuses_the_url() {
    let host = Host::start([("/a.png", Page::of("image/png", &png()))]).await;
    let (rig, alpha) = rig("gemini", Flavor::Gemini, Options::default()).await;
    let answer = ask(&rig, &[&host.url("/a.png")]).await;
    assert_refused(&answer, FIELD, "fetches no URLs");
    assert_eq!((alpha.count(), host.count()), (0, 0));
}

#[tokio::test]
async fn a_picture_that_the_target_does_not_take_is_refused_by_its_type() {
    let host =
        Host::start([("/a.png", Page::of("image/png", b"\0\0\0\x18ftypheic\0\0\0\0"))]).await;
    let (rig, alpha) = rig("bedrock", Flavor::Bedrock, fetching()).await;
    assert_refused(&ask(&rig, &[&host.url("/a.png")]).await, FIELD, "PNG, JPEG, GIF or WebP");
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn a_pdf_in_the_place_of_a_picture_is_sent_as_the_document_that_it_is() {
    let host = Host::start([("/a", Page::of("application/pdf", &pdf()))]).await;
    let (rig, alpha) = rig("bedrock", Flavor::Bedrock, fetching()).await;
    let answer = ask(&rig, &[&host.url("/a")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let sent: Value = alpha.requests()[0].json();
    assert_eq!(sent["messages"][0]["content"][1]["document"]["format"], "pdf", "{sent}");
}
