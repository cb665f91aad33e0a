use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::super::inventory::Stored;
use super::wait::{FIRST_READ_LIMIT, READ_LIMIT};
use super::*;
use crate::api::Kind;
use crate::compile::{Raw, SecretData};
use crate::table::{ObjectName, SecretText};

struct Bench {
    inventory: Arc<Inventory>,
    cell: Arc<TableCell>,
    report: watch::Receiver<Arc<Report>>,
    wanted: watch::Receiver<Arc<References>>,
    _stop: tokio_util::sync::DropGuard,
}

fn bench() -> Bench {
    let inventory = Arc::new(Inventory::default());
    let cell = Arc::new(TableCell::new());
    let (wanted, wants) = watch::channel(Arc::new(References::default()));
    let (sender, report) = watch::channel(Arc::new(Report::default()));
    let publisher = Publisher {
        inventory: inventory.clone(),
        tenancy: Arc::new(Tenancy::new("default")),
        cell: cell.clone(),
        state: Arc::new(StateStore::new()),
        wanted,
        report: sender,
    };
    let stop = CancellationToken::new();
    tokio::spawn(publisher.run(stop.clone()));
    Bench { inventory, cell, report, wanted: wants, _stop: stop.drop_guard() }
}

/// A CredentialStore whose only key is in the Secret `secret`.
fn store(name: &str, secret: &str) -> Stored {
    let key = json!({"name": "k", "valueFrom": {"secretKeyRef": {"name": secret, "key": "key"}}});
    let raw = Raw {
        name: ObjectName::new("ai", name),
        uid: name.into(),
        created: Some(1),
        generation: 1,
        spec: Arc::new(json!({"gateway": "default", "type": "APIKey", "apiKey": {"keys": [key]}})),
    };
    Stored { raw, status: Arc::default() }
}

fn secret(name: &str) -> ObjectName {
    ObjectName::new("ai", name)
}

fn value() -> SecretData {
    let text = SecretText::new("sk-0123456789abcdef");
    SecretData::Present(BTreeMap::from([("key".to_owned(), text)]))
}

impl Bench {
    async fn generation(&mut self, at_least: u64) -> Arc<Report> {
        let seen = self.report.wait_for(|report| report.generation >= at_least).await;
        seen.expect("the publisher runs").clone()
    }

    async fn wanted(&mut self, names: &[&str]) {
        let names: BTreeSet<_> = names.iter().map(|name| secret(name)).collect();
        self.wanted.wait_for(|wanted| wanted.secrets == names).await.expect("the publisher runs");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_before_every_first_list_is_in() {
    let mut bench = bench();
    bench.inventory.expect(&"routes".into());
    bench.inventory.expect(&"stores".into());
    bench.inventory.arrived("routes");
    let waiting = bench.report.wait_for(|report| report.waiting_for.len() == 1).await.unwrap();
    assert_eq!(&*waiting.waiting_for[0], "stores");
    drop(waiting);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!bench.cell.is_published());
    bench.inventory.arrived("stores");
    bench.generation(1).await;
    assert!(bench.cell.is_published());
}

#[tokio::test(start_paused = true)]
async fn news_without_a_pause_holds_no_table_up() {
    let mut bench = bench();
    bench.inventory.apply(Kind::CredentialStore, store("a", "never-read"));
    let inventory = bench.inventory.clone();
    let noise = tokio::spawn(async move {
        loop {
            inventory.note_health(&"a watch".into(), |health| health.failures += 1);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let published = tokio::time::timeout(2 * FIRST_READ_LIMIT, bench.generation(1)).await;
    noise.abort();
    published.expect("its Secret is given up");
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_changes_makes_one_table() {
    let mut bench = bench();
    bench.inventory.set_secret(&secret("s"), value());
    for name in ["a", "b", "c", "d"] {
        bench.inventory.apply(Kind::CredentialStore, store(name, "s"));
        tokio::time::sleep(QUIET / 2).await;
    }
    let report = bench.generation(1).await;
    assert_eq!((report.generation, report.counts.stores), (1, 4));
    assert_eq!(bench.cell.current().generation, 1);
}

#[tokio::test(start_paused = true)]
async fn a_table_of_which_no_object_tells_anything_new_shares_what_is_said() {
    let mut bench = bench();
    bench.inventory.set_secret(&secret("s"), value());
    bench.inventory.apply(Kind::CredentialStore, store("a", "s"));
    let first = bench.generation(1).await;
    let rotated = [("key".to_owned(), SecretText::new("another-key-of-some-length"))];
    bench.inventory.set_secret(&secret("s"), SecretData::Present(rotated.into()));
    let second = bench.generation(2).await;
    assert!(Arc::ptr_eq(&first.objects, &second.objects), "no pass of status begins anew");
    bench.inventory.apply(Kind::CredentialStore, store("b", "s"));
    assert_eq!(bench.generation(3).await.objects.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn changes_that_never_pause_are_published_all_the_same() {
    let mut bench = bench();
    bench.inventory.set_secret(&secret("s"), value());
    let inventory = bench.inventory.clone();
    let writer = tokio::spawn(async move {
        for number in 0.. {
            inventory.apply(Kind::CredentialStore, store(&format!("s{number}"), "s"));
            tokio::time::sleep(QUIET / 2).await;
        }
    });
    let report = bench.generation(2).await;
    assert!(report.publish_delay < LONGEST_WAIT * 2);
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn the_first_table_waits_for_the_secrets_it_refers_to() {
    let mut bench = bench();
    bench.inventory.apply(Kind::CredentialStore, store("a", "s"));
    bench.wanted(&["s"]).await;
    tokio::time::sleep(FIRST_READ_LIMIT / 2).await;
    assert!(!bench.cell.is_published());
    bench.inventory.set_secret(&secret("s"), value());
    let report = bench.generation(1).await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_read_does_not_hold_up_tables_for_ever() {
    let mut bench = bench();
    bench.inventory.apply(Kind::CredentialStore, store("a", "s"));
    let report = bench.generation(1).await;
    assert!(report.publish_delay >= FIRST_READ_LIMIT);
    assert!(!report.findings.is_empty());

    bench.inventory.apply(Kind::CredentialStore, store("b", "s"));
    let report = bench.generation(2).await;
    assert!(report.publish_delay < READ_LIMIT, "it was waited for once already");

    bench.inventory.apply(Kind::CredentialStore, store("c", "another"));
    bench.wanted(&["another", "s"]).await;
    assert_eq!(bench.cell.current().generation, 2, "this one is new and waited for");
    bench.inventory.set_secret(&secret("another"), value());
    bench.generation(3).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_table_waits_while_what_it_refers_to_comes_in() {
    let mut bench = bench();
    let names = ["a", "b", "c", "d"];
    for name in names {
        bench.inventory.apply(Kind::CredentialStore, store(name, name));
    }
    bench.wanted(&names).await;
    for name in names {
        assert!(!bench.cell.is_published());
        tokio::time::sleep(FIRST_READ_LIMIT.mul_f64(0.8)).await;
        bench.inventory.set_secret(&secret(name), value());
    }
    let report = bench.generation(1).await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[tokio::test(start_paused = true)]
async fn a_failing_source_is_reported_and_compiles_nothing() {
    let mut bench = bench();
    let source: Arc<str> = "routes".into();
    bench.inventory.set_namespace("ai", Some(BTreeMap::new()));
    bench.generation(1).await;
    bench.inventory.note_health(&source, |health| health.failures += 1);
    let failing = |report: &Arc<Report>| report.sources.values().any(|one| one.failures == 1);
    let report = bench.report.wait_for(failing).await.unwrap();
    assert_eq!(report.generation, 1);
}
