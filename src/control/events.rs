//! Events: what an operator must see of what status says, on the object that it is about.
//!
//! An Event is published when a status was written, and says what was new in it. Status is the
//! memory: a new leader repeats nothing, and what status holds back is not told either. Repetitions
//! within some minutes are counted in one Event.

mod notice;

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::Value;
use tokio::sync::mpsc;

use self::notice::{Notice, notices};
use super::connect::describe;
use super::kind::resource;
use super::leader::Leadership;
use crate::compile::ObjectReport;

/// Between two Events: a provider that is down shows on thousands of routes, whose status tells it
/// anyway, and Events are stored where everything else is.
const PACE: Duration = Duration::from_millis(500);
/// Events that wait for their turn; what comes on top is dropped. They are written within two
/// minutes, and who looks later looks at status.
const QUEUE: usize = 200;
/// How long one may take.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of a note: the API server refuses more than 1 KiB.
const MAX_NOTE: usize = 1000;

/// Where those who write status hand in what was new.
#[derive(Debug, Clone)]
pub(super) struct Herald(mpsc::Sender<(ObjectReference, Notice)>);

/// Publishes what was handed in.
pub(super) struct Publication {
    recorder: Recorder,
    leadership: Leadership,
    queue: mpsc::Receiver<(ObjectReference, Notice)>,
}

/// `replica` is this process's name for people.
pub(super) fn herald(
    client: Client,
    replica: &str,
    leadership: Leadership,
) -> (Herald, Publication) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let reporter =
        Reporter { controller: "pilothouse".to_owned(), instance: Some(replica.to_owned()) };
    let recorder = Recorder::new(client, reporter);
    (Herald(sender), Publication { recorder, leadership, queue })
}

impl Herald {
    /// The status of that object was written: `before` is what it said, `after` what it says now.
    pub(super) fn changed(&self, report: &ObjectReport, before: &Value, after: &Value) {
        for notice in notices(before, after) {
            let resource = resource(report.object.kind);
            let regarding = ObjectReference {
                api_version: Some(resource.api_version),
                kind: Some(resource.kind),
                namespace: Some(report.object.name.namespace.to_string()),
                name: Some(report.object.name.name.to_string()),
                uid: Some(report.uid.to_string()),
                ..ObjectReference::default()
            };
            if self.0.try_send((regarding, notice)).is_err() {
                tracing::debug!(object = %report.object, "too many Events at once; one is dropped");
            }
        }
    }
}

impl Publication {
    /// Publishes until nobody hands in anything any more.
    pub(super) async fn run(mut self) {
        let mut last_error: Option<String> = None;
        while let Some((regarding, notice)) = self.queue.recv().await {
            if !self.leadership.holds() {
                continue;
            }
            let event = event(notice);
            let published = self.recorder.publish(&event, &regarding);
            let error = match tokio::time::timeout(WRITE_LIMIT, published).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(describe(&error)),
                Err(_) => Some("the API server is slow to answer".to_owned()),
            };
            if let Some(error) = error.as_ref().filter(|error| last_error.as_ref() != Some(*error))
            {
                tracing::warn!(error, "cannot publish an Event; status says the same");
            }
            last_error = error;
            tokio::time::sleep(PACE).await;
        }
    }
}

fn event(notice: Notice) -> Event {
    let Notice { warning, reason, action, mut note } = notice;
    note.truncate(note.floor_char_boundary(MAX_NOTE));
    let type_ = if warning { EventType::Warning } else { EventType::Normal };
    Event { type_, reason, note: Some(note), action, secondary: None }
}
