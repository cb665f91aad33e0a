use std::sync::mpsc;

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::super::inventory::Stored;
use super::super::replicas::Word;
use super::super::{events, fake_api};
use super::*;
use crate::api::{ConditionType, Kind, Reason};
use crate::compile::{ConditionReport, Details, Raw};
use crate::table::{ObjectName, RouteTable};

/// A message by which a status is stored as definitions of an older release store it: without a field.
const OLDER: &str = "of an older release";

struct Bench {
    inventory: Arc<Inventory>,
    report: watch::Sender<Arc<Report>>,
    until: watch::Sender<Option<Instant>>,
    /// The other replicas.
    replicas: watch::Sender<Fleet>,
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
        let mut stored = asked.body.clone();
        // As definitions do that have no such column.
        if let Some(status) = stored["status"].as_object_mut() {
            let older = status["conditions"][0]["message"] == OLDER;
            status.retain(|name, _| name != "usableKeys" || !older);
        }
        Some((StatusCode::OK, stored))
    })
    .await;
    let inventory = Arc::new(Inventory::default());
    for name in names {
        inventory.apply(Kind::Consumer, stored(name));
    }
    let (report, reports) = watch::channel(Arc::new(Report::default()));
    let leadership = Leadership::of(leadership);
    let (replicas, fleet) = watch::channel(Fleet::Read([].into()));
    // Events that nobody publishes are dropped.
    let (herald, _) = events::herald(client.clone(), "me", leadership.clone());
    let writer = StatusWriter {
        client,
        inventory: inventory.clone(),
        report: reports,
        leadership,
        fleet,
        cell: Arc::default(),
        draining: CancellationToken::new(),
        herald,
    };
    (writer, Bench { inventory, report, until, replicas, written })
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
    let mut progress = Progress::default();
    let pass = writer.pass(&report, alone(), &mut pace, &mut progress).await;
    assert!(matches!(pass, Pass::Interrupted));
    assert_eq!(bench.written.try_iter().count(), 1);
    assert_eq!(progress.last.unwrap().name, ObjectName::new("ai", "a"));
}

#[tokio::test(start_paused = true)]
async fn a_field_that_older_definitions_do_not_store_is_written_once_in_a_pass() {
    let (mut writer, bench) = writer(&["a", "b", "c"], false).await;
    bench.lead();
    let report = report(&["a", "b", "c"], OLDER);
    bench.report.send_replace(report.clone());
    writer.report.mark_unchanged();
    let mut pace = tokio::time::interval(WRITE_EVERY);
    let mut progress = Progress::default();
    for writes in [3, 1, 1] {
        let pass = writer.pass(&report, alone(), &mut pace, &mut progress).await;
        assert!(matches!(pass, Pass::Complete(None)));
        assert_eq!(bench.written.try_iter().count(), writes);
    }
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

fn seen(objects: &[ObjectReport], fleet: &Fleet) -> View {
    View::new(RouteTable::empty().into(), objects, fleet, true).expect("the others were read")
}

fn alone() -> View {
    seen(&[], &Fleet::Read([].into()))
}

/// The route of [`render::tests`] at a generation.
fn route(generation: i64) -> ObjectReport {
    let mut route = render::tests::report();
    route.generation = generation;
    if let Details::Route { served_generation, .. } = &mut route.details {
        *served_generation = Some(generation);
    }
    route
}

/// What this replica, which serves `route`, sees of another that serves `other`.
fn beside(route: &ObjectReport, other: &ObjectReport) -> View {
    let word = Word::of(std::slice::from_ref(other));
    let fleet = Fleet::Read([("other".into(), Some(Arc::new(word)))].into());
    seen(std::slice::from_ref(route), &fleet)
}

/// A writer that knows that route, whose status is `status`.
async fn with_route(route: &ObjectReport, status: Value) -> StatusWriter {
    let (writer, _) = writer(&[], false).await;
    let raw = Raw {
        name: route.object.name.clone(),
        uid: route.uid.clone(),
        created: Some(1),
        generation: route.generation,
        spec: Arc::default(),
    };
    writer.inventory.apply(Kind::ModelRoute, Stored { raw, status: Arc::new(status) });
    writer
}

fn programmed(due: &Due) -> Option<(&str, &str)> {
    let Due::Write { status, .. } = due else { return None };
    let conditions = status["conditions"].as_array()?;
    let condition = conditions.iter().find(|one| one["type"] == "Programmed")?;
    Some((condition["status"].as_str()?, condition["reason"].as_str()?))
}

#[tokio::test(start_paused = true)]
async fn a_route_is_programmed_once_every_replica_serves_it() {
    let (old, new) = (route(1), route(2));
    let writer = with_route(&new, Value::Null).await;
    let mut progress = Progress::default();
    let Due::Later(until) = writer.due(&new, &beside(&new, &old), &mut progress) else {
        panic!("the other replica gets a moment");
    };
    tokio::time::sleep_until(until).await;
    let due = writer.due(&new, &beside(&new, &old), &mut progress);
    assert_eq!(programmed(&due), Some(("False", "WaitingForReplicas")));
    let due = writer.due(&new, &beside(&new, &new), &mut progress);
    assert_eq!(programmed(&due), Some(("True", "Programmed")));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_seen_takes_nothing_back_and_promises_nothing() {
    let route = route(2);
    let unseen = || seen(&[], &Fleet::Unreadable("no answer".into()));
    let mut progress = Progress::default();

    let writer = with_route(&route, Value::Null).await;
    let due = writer.due(&route, &unseen(), &mut progress);
    assert_eq!(programmed(&due), Some(("Unknown", "ReplicasUnknown")));

    let due = writer.due(&route, &alone(), &mut progress);
    let Due::Write { status, .. } = due else { panic!("one replica alone can say all") };
    let writer = with_route(&route, status).await;
    assert!(matches!(writer.due(&route, &unseen(), &mut progress), Due::No));
}

#[tokio::test]
async fn nothing_is_written_before_the_other_replicas_were_read() {
    let (writer, bench) = writer(&["a"], false).await;
    bench.replicas.send_replace(Fleet::Unread);
    bench.report.send_replace(report(&["a"], "one"));
    bench.lead();
    assert!(writer.view(&writer.report.borrow()).is_none());
    tokio::spawn(writer.run());
    // What was written sooner than the others were read would be counted as well.
    bench.replicas.send_replace(Fleet::Read([].into()));
    bench.says("a", "one").await;
    assert_eq!(bench.written.try_iter().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_pass_looks_anew_and_ends_when_the_others_are_out_of_sight() {
    let names: Vec<String> = (0..40).map(|number| format!("c{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut writer, bench) = writer(&names, false).await;
    bench.lead();
    let report = report(&names, "one");
    bench.report.send_replace(report.clone());
    writer.report.mark_unchanged();
    let mut pace = tokio::time::interval(WRITE_EVERY);
    let mut progress = Progress::default();
    let view = writer.view(&report).expect("the others were read");
    bench.replicas.send_replace(Fleet::Unread);
    let pass = writer.pass(&report, view, &mut pace, &mut progress).await;
    assert!(matches!(pass, Pass::Interrupted));
    let written = bench.written.try_iter().count();
    assert!((1..names.len()).contains(&written), "{written} were written on an old view");
}

#[tokio::test(start_paused = true)]
async fn who_can_serve_what_the_writer_of_status_cannot_is_named() {
    let served = route(2);
    let mut refused = served.clone();
    if let Details::Route { served_generation, .. } = &mut refused.details {
        *served_generation = Some(1);
    }
    for one in &mut refused.conditions {
        if one.condition == ConditionType::Programmed {
            (one.holds, one.reason) = (false, Reason::StaleGeneration);
            "generation 1 is served".clone_into(&mut one.message);
        }
    }
    let writer = with_route(&refused, Value::Null).await;
    let due = writer.due(&refused, &beside(&refused, &served), &mut Progress::default());
    assert_eq!(programmed(&due), Some(("False", "StaleGeneration")));
    let Due::Write { status, .. } = due else { panic!("it is written") };
    let text = status.to_string();
    assert!(
        text.contains("generation 1 is served; so says the replica that writes status"),
        "{text}"
    );
    assert!(text.contains("while other can serve it"), "{text}");
}
