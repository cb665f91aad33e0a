//! What the settings mean to each part.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::balance;
use crate::compile::Tenancy;
use crate::control::{
    self, AllowedEnv, AmbientConfig, ControlConfig, Pod, Report, Source, StatusConfig,
};
use crate::manifest::Admission;
use crate::manifest::schema::Checker;
use crate::proxy::BodyLimits;
use crate::settings::{FetchMedia, SecretWatch, Settings};
use crate::state::StateStore;
use crate::table::TableCell;
use crate::upstream::AddressPolicy;

/// Starts the controller on its own thread and runtime, the Kubernetes client included.
pub(super) async fn start_control(
    settings: Settings,
    tenancy: Tenancy,
    cell: Arc<TableCell>,
    state: Arc<StateStore>,
    draining: CancellationToken,
    shutdown: CancellationToken,
) -> Result<(JoinHandle<()>, watch::Receiver<Arc<Report>>), AppError> {
    let (started, start) = oneshot::channel();
    let runtime = Builder::new_current_thread().enable_all().build().map_err(AppError::Runtime)?;
    let thread = std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            runtime.block_on(async move {
                let source = match source(&settings, draining).await {
                    Ok(source) => source,
                    Err(error) => return drop(started.send(Err(error))),
                };
                let config = ControlConfig { source, tenancy, ambient: ambient(&settings) };
                let handle = control::start(config, cell, state, shutdown);
                // Nobody waits any more if the gateway failed to start otherwise.
                let _ = started.send(Ok(handle.report()));
                handle.stopped().await;
            });
        })
        .map_err(AppError::Runtime)?;
    let report = start.await.map_err(|_| AppError::Controller)??;
    Ok((thread, report))
}

pub(super) fn tenancy(settings: &Settings) -> Result<Tenancy, AppError> {
    let operator_owned = !settings.manifests.is_empty();
    if settings.anonymous && !operator_owned && settings.anonymous_namespace.is_none() {
        return Err(AppError::AnonymousNamespace);
    }
    let shared = match settings.shared_namespace.as_slice() {
        [] => std::slice::from_ref(&settings.namespace),
        named => named,
    };
    Ok(Tenancy {
        gateway_name: settings.gateway_name.as_str().into(),
        operator_owned,
        shared_namespaces: shared.iter().map(|name| name.as_str().into()).collect(),
        anonymous: settings.anonymous,
        anonymous_namespace: settings.anonymous_namespace.as_deref().map(Into::into),
        ambient_namespace: settings.ambient_credentials_namespace.as_deref().map(Into::into),
        private_upstreams: settings.allow_upstream_cidr.clone(),
    })
}

/// The pod that this process runs in, which only the pod's manifest can tell.
fn pod() -> Option<Pod> {
    let told = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(Pod { name: told("POD_NAME")?, uid: told("POD_UID")? })
}

fn secret_watch(settings: &Settings) -> control::SecretWatch {
    let labels = settings.secret_label_selector.as_deref();
    match settings.secret_watch {
        SecretWatch::ByName => control::SecretWatch::ByName(labels.map(Into::into)),
        SecretWatch::Labelled => {
            control::SecretWatch::Labelled(labels.unwrap_or(SecretWatch::LABEL).into())
        }
    }
}

async fn source(settings: &Settings, draining: CancellationToken) -> Result<Source, AppError> {
    if settings.manifests.is_empty() {
        let client =
            control::connect().await.map_err(|error| AppError::Kubernetes(error.to_string()))?;
        let pod = pod();
        let named = pod.as_ref().map(|pod| pod.name.clone());
        let replica = named
            .or_else(|| std::env::var("HOSTNAME").ok())
            .unwrap_or_else(|| "pilothouse".to_owned());
        let namespace = settings.namespace.clone();
        let status = StatusConfig { namespace, replica, pod, draining };
        return Ok(Source::Cluster {
            client,
            watch_namespaces: settings
                .watch_namespace
                .iter()
                .map(|ns| ns.as_str().into())
                .collect(),
            secret_watch: secret_watch(settings),
            status: (!settings.no_status).then_some(status),
        });
    }
    if let Some(missing) = settings.manifests.iter().find(|path| !path.exists()) {
        return Err(AppError::NoManifests(missing.clone()));
    }
    let strategies: Vec<&str> = balance::registry::names().collect();
    let checker = Checker::new(&crate::api::crds(&strategies))?;
    Ok(Source::Folder { paths: settings.manifests.clone(), admission: Admission::new(checker) })
}

pub(super) fn ambient(settings: &Settings) -> AmbientConfig {
    let operator_owned = !settings.manifests.is_empty();
    let env = match settings.credential_env.as_slice() {
        [] if operator_owned => AllowedEnv::Any,
        listed => AllowedEnv::Listed(listed.iter().cloned().collect()),
    };
    AmbientConfig { directory: settings.credential_dir.clone(), env }
}

pub(super) fn body_limits(settings: &Settings) -> BodyLimits {
    let limits =
        BodyLimits { max_body: settings.largest_body(), max_buffered: settings.max_buffered() };
    if limits.max_body < settings.max_body_size {
        tracing::warn!(
            bytes = limits.max_body,
            "request bodies are limited to what all bodies together may take \
             (`--max-buffered-bytes`), which is less than `--max-body-size`"
        );
    }
    limits
}

/// Where clients' URLs may lead; `None` is nowhere. Whom the gateway may talk to on an operator's
/// word is another matter than whom on a stranger's.
pub(super) fn fetchable(settings: &Settings) -> Option<AddressPolicy> {
    match settings.fetch_media {
        FetchMedia::Off => None,
        FetchMedia::Public => Some(AddressPolicy::PublicAnd(Vec::new())),
        FetchMedia::Upstreams => Some(addresses(settings)),
    }
}

pub(super) fn addresses(settings: &Settings) -> AddressPolicy {
    if settings.manifests.is_empty() {
        AddressPolicy::PublicAnd(settings.allow_upstream_cidr.clone())
    } else {
        AddressPolicy::Any
    }
}
