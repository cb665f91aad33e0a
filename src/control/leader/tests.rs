use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

fn held_by(holder: &str) -> LeaseSpec {
    claim(&LeaseSpec::default(), holder, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_lease_is_claimed_when_it_is_free_ours_or_left_alone() {
    let moment = Duration::from_secs(1);
    assert!(may_claim(&LeaseSpec::default(), "me", Duration::ZERO));
    let released = LeaseSpec { holder_identity: None, ..held_by("other") };
    assert!(may_claim(&released, "me", Duration::ZERO));
    assert!(may_claim(&held_by("me"), "me", moment));
    assert!(!may_claim(&held_by("other"), "me", LEASE_DURATION.mul_f64(0.9)));
    assert!(may_claim(&held_by("other"), "me", LEASE_DURATION));
    let long = LeaseSpec { lease_duration_seconds: Some(60), ..held_by("other") };
    assert!(!may_claim(&long, "me", LEASE_DURATION));
}

#[test]
fn a_holder_stops_before_others_may_begin() {
    assert!(TRUSTED + ROUND_LIMIT < LEASE_DURATION);
    assert!(RENEW_EVERY.mul_f64(1.25) + ROUND_LIMIT < TRUSTED, "one failed round is survived");
}

#[test]
fn a_renewal_keeps_and_a_takeover_counts() {
    let first = held_by("a");
    let later = Timestamp::from_second(60).unwrap();
    let renewed = claim(&first, "a", later);
    assert_eq!(renewed.acquire_time, first.acquire_time);
    assert_eq!(renewed.renew_time, Some(MicroTime(later)));
    assert_eq!(renewed.lease_transitions, Some(1));
    let taken = claim(&renewed, "b", later);
    assert_eq!(taken.holder_identity.as_deref(), Some("b"));
    assert_eq!(taken.acquire_time, Some(MicroTime(later)));
    assert_eq!(taken.lease_transitions, Some(2));
}

#[tokio::test(start_paused = true)]
async fn leadership_ends_by_the_clock_alone() {
    let (until, receiver) = watch::channel(Some(Instant::now() + TRUSTED));
    let leadership = Leadership(receiver);
    assert!(leadership.holds());
    tokio::time::advance(TRUSTED).await;
    assert!(!leadership.holds());
    until.send_replace(None);
    assert!(!leadership.holds());
}

/// What an API server does with one Lease: versions, and a refusal of writes to an old one.
#[derive(Debug, Default)]
struct OneLease {
    version: u64,
    lease: Option<Value>,
}

impl OneLease {
    fn answer(&mut self, method: &Method, body: Value) -> (StatusCode, Value) {
        let status = |code: StatusCode, reason: &str| {
            (
                code,
                json!({"kind": "Status", "status": "Failure", "reason": reason, "code": code.as_u16()}),
            )
        };
        let current = self.lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        match (method.as_str(), current) {
            ("GET", _) => match &self.lease {
                Some(lease) => (StatusCode::OK, lease.clone()),
                None => status(StatusCode::NOT_FOUND, "NotFound"),
            },
            ("POST", Some(_)) => status(StatusCode::CONFLICT, "AlreadyExists"),
            ("PUT", current) if current.as_ref() != body["metadata"].get("resourceVersion") => {
                status(StatusCode::CONFLICT, "Conflict")
            }
            _ => {
                let mut lease = body;
                self.version += 1;
                lease["metadata"]["resourceVersion"] = self.version.to_string().into();
                self.lease = Some(lease.clone());
                (StatusCode::OK, lease)
            }
        }
    }
}

/// A client of a server that holds one Lease.
async fn client() -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let lease = Arc::new(Mutex::new(OneLease::default()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let lease = lease.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let lease = lease.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let body = serde_json::from_slice(&body).unwrap_or_default();
                    let (status, answer) = lease.lock().answer(&head.method, body);
                    let answer = Full::new(Bytes::from(answer.to_string()));
                    let response = Response::builder().status(status).body(answer).unwrap();
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap()
}

fn elector(client: &Client, replica: &str) -> (Elector, Leadership) {
    Elector::new(client.clone(), "default", "lease".to_owned(), replica)
}

#[tokio::test]
async fn one_leads_and_the_next_takes_over_when_it_goes() {
    let client = client().await;
    let (mut first, leads) = elector(&client, "first");
    let (mut second, _) = elector(&client, "second");
    assert!(first.round().await.unwrap());
    assert!(!second.round().await.unwrap());
    assert!(first.round().await.unwrap(), "it renews");
    assert!(!second.round().await.unwrap());

    first.set(Some(Instant::now() + TRUSTED));
    assert!(leads.holds());
    first.release().await;
    assert!(!leads.holds());
    assert!(second.round().await.unwrap());
    assert!(!first.round().await.unwrap());
}

#[tokio::test]
async fn of_two_that_claim_at_once_one_is_refused() {
    let client = client().await;
    let (mut first, _) = elector(&client, "first");
    let (mut second, _) = elector(&client, "second");
    for _ in 0..20 {
        let (one, other) = tokio::join!(first.round(), second.round());
        assert!(one.unwrap() != other.unwrap(), "exactly one leads");
    }
}

#[tokio::test]
async fn a_lease_that_nobody_renews_is_taken_over() {
    let client = client().await;
    let (mut first, _) = elector(&client, "first");
    let (mut second, _) = elector(&client, "second");
    assert!(first.round().await.unwrap());
    assert!(!second.round().await.unwrap());
    let (version, since) = second.seen.take().unwrap();
    second.seen = Some((version, since.checked_sub(LEASE_DURATION).unwrap()));
    assert!(second.round().await.unwrap());
    assert!(!first.round().await.unwrap(), "the old holder sees that it lost");
}
