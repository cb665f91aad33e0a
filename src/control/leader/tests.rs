use http::StatusCode;
use serde_json::Value;

use super::super::fake_api::{self, Answer, Asked, refuse};
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
    fn answer(&mut self, asked: &Asked) -> Answer {
        let current = self.lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        match (asked.method.as_str(), current) {
            ("GET", _) => match &self.lease {
                Some(lease) => (StatusCode::OK, lease.clone()),
                None => refuse(StatusCode::NOT_FOUND, "NotFound"),
            },
            ("POST", Some(_)) => refuse(StatusCode::CONFLICT, "AlreadyExists"),
            ("PUT", current)
                if current.as_ref() != asked.body["metadata"].get("resourceVersion") =>
            {
                refuse(StatusCode::CONFLICT, "Conflict")
            }
            _ => {
                let mut lease = asked.body.clone();
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
    let mut lease = OneLease::default();
    fake_api::client(move |asked| Some(lease.answer(asked))).await
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
