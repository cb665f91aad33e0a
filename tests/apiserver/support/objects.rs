//! The objects that tests apply, with only what a test is about left to say.

use std::collections::BTreeMap;

use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

/// Long enough for a client's key.
pub(crate) const KEY: &str = "a-client-key-of-some-length";

/// An object of ours.
pub(crate) fn ours(kind: &str, name: &str, spec: &Value) -> Value {
    let api_version = format!("{}/{}", pilothouse::api::GROUP, pilothouse::api::VERSION);
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A simulated provider that answers for itself, with any key or none.
pub(crate) async fn provider(name: &str) -> Simulator {
    Simulator::builder().name(name).start().await.expect("loopback has free ports")
}

/// A target without credentials at a simulated provider.
pub(crate) fn target(name: &str, provider: &Simulator) -> Value {
    json!({
        "name": name,
        "provider": "openai-compatible",
        "baseURL": format!("{}/v1", provider.url()),
        "model": "sim",
    })
}

/// The same with the keys of a CredentialStore.
pub(crate) fn target_with_store(name: &str, provider: &Simulator, store: &str) -> Value {
    let mut target = target(name, provider);
    target["credentialRef"] = json!({"name": store});
    target
}

/// A route for the model of its own name.
pub(crate) fn route(name: &str, targets: &[Value]) -> Value {
    ours("ModelRoute", name, &json!({"targets": targets}))
}

/// A consumer that may ask for everything, with a key from the Secret `secret`.
pub(crate) fn consumer(name: &str, secret: &str) -> Value {
    let source = json!({"secretKeyRef": {"name": secret, "key": "key"}});
    let keys = json!([{"name": "default", "valueFrom": source}]);
    ours("Consumer", name, &json!({"apiKeys": keys, "allowedModels": ["*"]}))
}

/// A store whose one key is in the Secret `secret` and may be sent to `provider`.
pub(crate) fn store(name: &str, provider: &Simulator, secret: &str) -> Value {
    let source = json!({"secretKeyRef": {"name": secret, "key": "key"}});
    let spec = json!({
        "type": "APIKey",
        "allowedHosts": [provider.addr().to_string()],
        "apiKey": {"keys": [{"name": "default", "valueFrom": source}]},
    });
    ours("CredentialStore", name, &spec)
}

/// A Secret that holds `key`.
pub(crate) fn secret(name: &str, key: &str) -> Value {
    let data = BTreeMap::from([("key", key)]);
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}
