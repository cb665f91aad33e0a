use std::sync::mpsc;

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::super::fake_api;
use super::super::inventory::Stored;
use super::*;
use crate::api::{ConditionType, Kind, Reason};
use crate::compile::{ConditionReport, Details, Raw};
use crate::table::ObjectName;

struct Bench {
    inventory: Arc<Inventory>,
    report: watch::Sender<Arc<Report>>,
    until: watch::Sender<Option<Instant>>,
    /// Targets and bodies of the writes.
    written: mpsc::Receiver<(String, Value)>,
}

/// A writer that does not lead yet. With `short` it loses leadership by its first write.
async fn writer(names: &[&str], short: bool) -> (StatusWriter, Bench) {
    let (log, written) = mpsc::sync_channel(64);
    let (until, leadership) = watch::channel(None);
    let lose = until.clone();
    let client = fake_api::client(move |asked| {
        assert_eq!(asked.method, Method::PATCH, "status is never read");
        log.send((asked.target.clone(), asked.body.clone())).unwrap();
        if short {
            lose.send_replace(None);
        }
        Some((StatusCode::OK, asked.body.clone()))
    })
    .await;
    let inventory = Arc::new(Inventory::default());
    for name in names {
        inventory.apply(Kind::Consumer, stored(name));
    }
    let (report, reports) = watch::channel(Arc::new(Report::default()));
    let writer = StatusWriter {
        client,
        inventory: inventory.clone(),
        report: reports,
        leadership: Leadership::of(leadership),
    };
    (writer, Bench { inventory, report, until, written })
}

async fn bench(names: &[&str]) -> Bench {
    let (writer, bench) = writer(names, false).await;
    tokio::spawn(writer.run());
    bench
}

fn stored(name: &str) -> Stored {
    let raw = Raw {
        name: ObjectName::new("ai", name),
        uid: name.into(),
        created: Some(1),
        generation: 1,
        spec: Arc::default(),
    };
    Stored { raw, status: Arc::default() }
}

fn report(names: &[&str], message: &str) -> Arc<Report> {
    let object = |name: &&str| ObjectReport {
        object: ObjectRef { kind: Kind::Consumer, name: ObjectName::new("ai", *name) },
        uid: (*name).into(),
        generation: 1,
        conditions: vec![ConditionReport {
            condition: ConditionType::Ready,
            holds: true,
            reason: Reason::Ready,
            message: message.to_owned(),
        }],
        details: Details::Consumer { keys: Vec::new() },
    };
    Arc::new(Report { objects: names.iter().map(object).collect(), ..Report::default() })
}

impl Bench {
    fn lead(&self) {
        self.until.send_replace(Some(Instant::now() + Duration::from_secs(3600)));
    }

    /// Waits until the inventory holds this message for an object.
    async fn says(&self, name: &str, message: &str) {
        let held = || {
            let stored = self.inventory.object(Kind::Consumer, &ObjectName::new("ai", name));
            stored.is_some_and(|stored| stored.status["conditions"][0]["message"] == message)
        };
        while !held() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn only_the_leader_writes_and_only_what_differs() {
    let bench = bench(&["a", "b"]).await;
    bench.report.send_replace(report(&["a", "b", "deleted"], "one"));
    assert!(bench.written.try_recv().is_err(), "it does not lead yet");
    bench.lead();
    bench.says("a", "one").await;
    bench.says("b", "one").await;
    bench.report.send_replace(report(&["a", "b"], "one"));
    bench.report.send_replace(report(&["a", "b"], "two"));
    bench.says("a", "two").await;
    bench.says("b", "two").await;

    let written: Vec<_> = bench.written.try_iter().collect();
    assert_eq!(written.len(), 4, "{written:?}");
    let (target, body) = &written[0];
    let path = "/apis/pilothouse.dev/v1alpha1/namespaces/ai/consumers/a/status?";
    assert!(target.starts_with(path), "{target}");
    assert!(target.contains("fieldManager=pilothouse") && target.contains("force=true"));
    assert_eq!(body["metadata"]["uid"], "a");
    assert_eq!(body["kind"], "Consumer");
}

#[tokio::test]
async fn nothing_is_written_once_leadership_is_lost() {
    let (writer, bench) = writer(&["a", "b"], true).await;
    bench.lead();
    let report = report(&["a", "b"], "one");
    bench.report.send_replace(report.clone());
    let mut pace = tokio::time::interval(WRITE_EVERY);
    let (mut last, mut last_error) = (None, None);
    let pass = writer.pass(&report, &mut pace, &mut last, &mut last_error).await;
    assert!(matches!(pass, Pass::Interrupted));
    assert_eq!(bench.written.try_iter().count(), 1);
    assert_eq!(last.unwrap().name, ObjectName::new("ai", "a"));
}

#[tokio::test]
async fn an_object_that_was_made_again_is_left_to_the_next_report() {
    let bench = bench(&["b"]).await;
    let mut made_again = stored("a");
    made_again.raw.uid = "another".into();
    bench.inventory.apply(Kind::Consumer, made_again);
    bench.lead();
    bench.report.send_replace(report(&["a", "b"], "one"));
    bench.says("b", "one").await;
    assert_eq!(bench.written.try_iter().count(), 1);
}
