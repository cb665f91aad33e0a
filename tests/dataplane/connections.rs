//! Connections on both sides: HTTP versions, reuse, and those that died unnoticed.

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pilothouse::upstream::AddressPolicy;
use tokio::net::TcpStream;

use crate::raw::{Raw, chat_head};
use crate::routes::{Api, ONCE, chat_body, route, route_of, simulator};
use crate::scripted::{Scripted, Then};
use crate::support::{KEY, Options, Rig, connector};

#[tokio::test]
async fn one_http2_connection_with_prior_knowledge_carries_many_requests() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m;pace=2ms")], "")).await;
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let requests = (0..20).map(|number| {
        let mut sender = sender.clone();
        async move {
            let request = Request::post(format!("http://gateway{}", Api::Chat.path()))
                .header("x-api-key", KEY)
                .body(Full::new(Bytes::from(chat_body("chat", number % 2 == 0))))
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(std::str::from_utf8(&body).unwrap().contains("alpha."));
        }
    });
    futures::future::join_all(requests).await;
    assert_eq!(rig.metrics.connections.get(), 1);
    drop(sender);
    connection.await.unwrap().unwrap();
    rig.settled().await;
}

#[tokio::test]
async fn http1_requests_may_be_sent_before_the_last_answer_has_come() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m")], "")).await;
    let mut client = Raw::connect(rig.address).await;
    let body = chat_body("chat", false);
    let request = format!("{}{body}", chat_head(&format!("content-length: {}", body.len())));
    client.write(&format!("{request}{request}{}", "GET /health HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    let answers = client.read_until("{\"status\":\"ok\"}", 1).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(answers.matches("Served by alpha.").count(), 2);
}

#[tokio::test]
async fn a_connection_is_used_again_after_whatever_was_read_to_its_end() {
    let alpha = simulator("alpha").await;
    let routes: String = [("ok", "m"), ("refused", "m;status=400"), ("failed", "m;status=500")]
        .iter()
        .map(|(name, model)| route(name, &[("alpha", &alpha, model)], ONCE))
        .collect();
    let rig = Rig::start(&routes).await;
    for _ in 0..2 {
        for model in ["ok", "refused", "failed"] {
            rig.chat(model).await;
            rig.chat_stream(model).await;
        }
    }
    assert_eq!((alpha.count(), alpha.snapshot().connections), (12, 1));
}

#[tokio::test]
async fn concurrent_requests_do_not_wait_for_each_other() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m;stall=4")], "")).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(rig.open_chat("chat").await);
    }
    assert_eq!(alpha.in_flight(), 20);
    drop(streams);
    alpha.wait_for(|now| now.in_flight == 0 && now.open_connections == 0).await.unwrap();
}

#[tokio::test]
async fn a_request_lost_on_a_stale_connection_is_sent_again_unnoticed() {
    let reply = r#"{"id":"c","choices":[]}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", reply.len());
    let upstream = Scripted::start(format!("{head}{reply}"), usize::MAX, Then::CloseOnNext).await;
    let target = Api::Chat.target("alpha", &upstream.origin, "model: m");
    let extra = "  circuitBreaker: {failureThreshold: 1}\n";
    let rig = Rig::start(&route_of("chat", &[target], extra)).await;
    for sent in [1, 3, 5] {
        let answer = rig.chat("chat").await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, reply));
        assert_eq!(answer.header("x-pilothouse-attempts"), "1");
        assert_eq!(upstream.requests(), sent, "once on the stale one, once on a fresh one");
    }
}

#[tokio::test]
async fn addresses_that_upstreams_may_not_have_are_not_connected_to() {
    let alpha = simulator("alpha").await;
    let routes = route("chat", &[("alpha", &alpha, "m")], "");
    let with = |ranges: Vec<ipnet::IpNet>| Options {
        connector: connector(AddressPolicy::PublicAnd(ranges)),
        ..Options::default()
    };
    let rig = Rig::start_with(&routes, with(Vec::new())).await;
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.text().contains("--allow-upstream-cidr"), "{answer:?}");
    assert_eq!(alpha.snapshot().connections, 0);

    let rig = Rig::start_with(&routes, with(vec!["127.0.0.0/8".parse().unwrap()])).await;
    assert_eq!(rig.chat("chat").await.status, StatusCode::OK);
}
