//! The connection to the API server.

use std::error::Error;
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
    // kube would try again by itself, unseen and after waits that grow to minutes. Whoever asks here
    // has a back-off of its own and says what it waits for.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// An error of the client with its causes, and without the dump of the answer that kube adds.
pub(super) fn describe(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("{} ({})", status.message, status.code);
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        // kube repeats some causes in its own message.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn an_answer_is_told_in_its_own_words() {
        let status = Status::failure("leases is forbidden", "Forbidden").with_code(403);
        let error = kube::Error::Api(Box::new(status));
        assert_eq!(describe(&error), "leases is forbidden (403)");
    }

    #[tokio::test]
    async fn a_broken_connection_is_told_with_its_cause() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = Config::new(format!("http://{free}").parse().unwrap());
        let client = Client::try_from(config).unwrap();
        let error = client.apiserver_version().await.unwrap_err();
        assert!(describe(&error).contains("refused"), "{}", describe(&error));
    }
}
