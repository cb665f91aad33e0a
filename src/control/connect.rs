//! The connection to the API server.

use std::time::Duration;

use kube::config::InferConfigError;
use kube::{Client, Config};

/// Long enough for a far-away API server, short enough that an outage is noticed while it lasts.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A connection on which nothing comes for so long is dead: without this limit a request to an API
/// server whose machine vanished would hang until the kernel gives up. Watches end by themselves
/// after 290 s, so anything shorter would cut healthy ones.
const READ_LIMIT: Duration = Duration::from_secs(300);

/// Why there is no client for an API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a service account was found.
    #[error("{0}")]
    Unknown(#[from] InferConfigError),
    /// What was found cannot be used.
    #[error("{0}")]
    Unusable(#[from] kube::Error),
}

/// A client by the kubeconfig in use or the pod's service account. The API server is not asked
/// yet, so it may be away.
pub async fn connect() -> Result<Client, ConnectError> {
    let mut config = Config::infer().await?;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    Ok(Client::try_from(config)?)
}
