//! The labels of namespaces, which selectors in `allowedNamespaces` match.
//!
//! Only metadata is asked for. A namespace whose labels cannot be read is left out and so matches
//! no selector: an unknown label must not admit anybody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::time::timeout;

use super::follow::note_failure;
use super::{Lists, Watched, follow};
use crate::control::connect::describe;
use crate::control::inventory::Inventory;
use crate::control::supervise::Parts;

type Labels = BTreeMap<String, String>;
type NamespaceMeta = PartialObjectMeta<Namespace>;

/// How often labels are read where they cannot be watched. Labels of namespaces change by hand and
/// seldom.
const POLL: Duration = Duration::from_secs(30);
/// How soon a read that failed is repeated, so that a start during a short outage is not held up.
const RETRY: Duration = Duration::from_secs(2);
/// One object's metadata comes within this time or not at all. The client's own limit is made for
/// watches, and would hold up all namespaces for minutes.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Starts following the labels of all namespaces, or of those that are watched.
pub(super) fn spawn(
    parts: &mut Parts,
    client: &Client,
    watch_namespaces: &[Arc<str>],
    inventory: &Arc<Inventory>,
    lists: &Lists,
) {
    let source: Arc<str> = "Namespace".into();
    inventory.expect(&source);
    let api: Api<NamespaceMeta> = Api::all(client.clone());
    let inventory = inventory.clone();
    let name = source.to_string();
    if watch_namespaces.is_empty() {
        let lists = lists.clone();
        parts.spawn(&name, move || {
            watch(api.clone(), source.clone(), inventory.clone(), lists.clone())
        });
    } else {
        // A Role can allow `get` of its own namespace but no watch of it: the API server takes a
        // watch by name for a request to the whole cluster. So these few are polled.
        let names = watch_namespaces.to_vec();
        parts.spawn(&name, move || {
            poll(api.clone(), names.clone(), source.clone(), inventory.clone())
        });
    }
}

async fn watch(api: Api<NamespaceMeta>, source: Arc<str>, inventory: Arc<Inventory>, lists: Lists) {
    let mut listed = BTreeMap::new();
    follow(api, Config::default(), &source, &inventory, &lists, |event| match event {
        Watched::Listing => listed.clear(),
        Watched::Listed(namespace) => {
            if let Some((name, labels)) = name_and_labels(namespace) {
                listed.insert(Arc::from(name), labels);
            }
        }
        Watched::ListEnd => {
            inventory.replace_namespaces(std::mem::take(&mut listed));
            inventory.arrived(&source);
        }
        Watched::Applied(namespace) => {
            if let Some((name, labels)) = name_and_labels(namespace) {
                inventory.set_namespace(&name, Some(labels));
            }
        }
        Watched::Deleted(namespace) => {
            if let Some((name, _)) = name_and_labels(namespace) {
                inventory.set_namespace(&name, None);
            }
        }
        Watched::Failed(_) => {}
    })
    .await;
}

fn name_and_labels(namespace: NamespaceMeta) -> Option<(String, Labels)> {
    Some((namespace.metadata.name?, namespace.metadata.labels.unwrap_or_default()))
}

async fn poll(
    api: Api<NamespaceMeta>,
    namespaces: Vec<Arc<str>>,
    source: Arc<str>,
    inventory: Arc<Inventory>,
) {
    let mut refused = vec![false; namespaces.len()];
    let mut failures = 0;
    loop {
        let mut all_answered = true;
        for (namespace, refused) in namespaces.iter().zip(&mut refused) {
            let answer = timeout(ANSWER_LIMIT, api.get_metadata_opt(namespace));
            let Ok(answer) = answer.await else {
                all_answered = false;
                failures += 1;
                let said = format!("no answer within {} s", ANSWER_LIMIT.as_secs());
                note_failure(&inventory, &source, said, failures, failures == 1);
                continue;
            };
            match answer {
                Ok(found) => {
                    *refused = false;
                    let labels = found.map(|found| found.metadata.labels.unwrap_or_default());
                    inventory.set_namespace(namespace, labels);
                }
                Err(kube::Error::Api(status)) if status.is_forbidden() => {
                    if !std::mem::replace(refused, true) {
                        tracing::warn!(
                            namespace = &**namespace,
                            "may not read the namespace's labels, so no selector matches it; \
                             allow `get` on namespaces in its Role"
                        );
                    }
                    inventory.set_namespace(namespace, None);
                }
                Err(error) => {
                    all_answered = false;
                    failures += 1;
                    note_failure(&inventory, &source, describe(&error), failures, failures == 1);
                }
            }
        }
        if all_answered {
            failures = 0;
            inventory.note_health(&source, |health| {
                health.lists += 1;
                health.failures_in_a_row = 0;
            });
            inventory.arrived(&source);
        }
        tokio::time::sleep(if all_answered { POLL } else { RETRY }).await;
    }
}
