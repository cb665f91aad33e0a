use k8s_openapi::api::coordination::v1::LeaseSpec;
use kube::api::ObjectMeta;
use kube::core::Status;
use kube::runtime::watcher;

use super::*;

fn names() -> LeaseNames {
    LeaseNames::new("default", "me")
}

/// The Lease of a replica that serves no route.
fn lease(replica: &str, version: u32) -> Lease {
    let word = serde_json::to_string(&Word::of(&[])).expect("it is JSON");
    Lease {
        metadata: ObjectMeta {
            name: Some(format!("pilothouse-default-replica-{replica}")),
            resource_version: Some(version.to_string()),
            annotations: Some([(WORD.to_owned(), word)].into()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec::default()),
    }
}

fn ready(fleet: &Fleet) -> Vec<&str> {
    match fleet {
        Fleet::Read(replicas) => replicas.keys().map(|name| &**name).collect(),
        other => panic!("not read: {other:?}"),
    }
}

/// What was seen after a list of these replicas.
fn listed<'n>(names: &'n LeaseNames, replicas: &[&str], now: Instant) -> Seen<'n> {
    let mut seen = Seen::new(names, now);
    list(&mut seen, replicas, now);
    seen
}

fn list(seen: &mut Seen<'_>, replicas: &[&str], now: Instant) {
    seen.observe(Watched::Listing, now);
    for replica in replicas {
        seen.observe(Watched::Listed(lease(replica, 1)), now);
    }
    seen.observe(Watched::ListEnd, now);
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_others_count_while_they_renew_their_leases() {
    let (names, start) = (names(), Instant::now());
    let mut seen = listed(&names, &["me", "a", "b"], start);
    assert_eq!(ready(&seen.fleet(start)), ["a", "b"]);
    let later = start + LEASE_DURATION;
    seen.observe(Watched::Applied(lease("a", 2)), later);
    assert_eq!(ready(&seen.fleet(later)), ["a", "b"]);
    assert_eq!(ready(&seen.fleet(later + SECOND)), ["a"]);
    seen.observe(Watched::Deleted(lease("a", 2)), later);
    assert_eq!(ready(&seen.fleet(later)), ["b"]);
}

#[test]
fn a_new_list_renews_nothing() {
    let (names, start) = (names(), Instant::now());
    let mut seen = listed(&names, &["a", "b"], start);
    let later = start + LEASE_DURATION + SECOND;
    list(&mut seen, &["a"], later);
    assert_eq!(ready(&seen.fleet(later)), [""; 0]);
}

#[test]
fn who_hears_of_no_lease_at_all_takes_nobody_for_dead() {
    let (names, start) = (names(), Instant::now());
    let seen = listed(&names, &["me", "a"], start);
    let later = start + LEASE_DURATION + SECOND;
    assert!(matches!(seen.fleet(later), Fleet::Unreadable(_)));
}

#[test]
fn a_refusal_is_told_until_there_is_an_answer() {
    let (names, start) = (names(), Instant::now());
    let mut seen = Seen::new(&names, start);
    assert_eq!(seen.fleet(start), Fleet::Unread);
    let status = Status::failure("leases is forbidden", "Forbidden").with_code(403);
    let error = watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)));
    seen.observe(Watched::Failed(error), start);
    let Fleet::Unreadable(why) = seen.fleet(start) else { panic!("it is told") };
    assert!(why.contains("forbidden") && why.contains("role"), "{why}");
    list(&mut seen, &["a"], start);
    assert_eq!(ready(&seen.fleet(start)), ["a"]);
}

#[test]
fn a_lease_that_says_nothing_counts_as_a_replica_that_serves_nothing() {
    let (names, start) = (names(), Instant::now());
    let mut seen = listed(&names, &[], start);
    let mut silent = lease("a", 1);
    silent.metadata.annotations = None;
    seen.observe(Watched::Applied(silent), start);
    assert_eq!(seen.fleet(start), Fleet::Read([("a".into(), None)].into()));
}

#[test]
fn a_lease_that_is_long_dead_is_to_be_removed() {
    let (names, start) = (names(), Instant::now());
    let seen = listed(&names, &["me", "a"], start);
    assert_eq!(seen.forgotten(start + FORGET_AFTER), None);
    let own = "pilothouse-default-replica-a".to_owned();
    assert_eq!(seen.forgotten(start + FORGET_AFTER + SECOND), Some((own, "1".to_owned())));
}
