//! Manifests: YAML, the schema and its rules, and the table that is compiled of what passes.

use std::sync::LazyLock;

use parking_lot::Mutex;
use pilothouse::api;
use pilothouse::balance::registry;
use pilothouse::compile::{LastGood, Tenancy, compile};
use pilothouse::manifest::schema::Checker;
use pilothouse::manifest::{Admission, Loaded, Loader};
use pilothouse::state::StateStore;

/// Preparing the schemas takes longer than checking any input.
static ADMISSION: LazyLock<Mutex<Admission>> = LazyLock::new(|| {
    let strategies: Vec<&str> = registry::names().collect();
    let checker = Checker::new(&api::crds(&strategies)).expect("our own schemas are understood");
    Mutex::new(Admission::new(checker))
});

/// Reads a file of manifests, checks what is in it and compiles what passes.
pub fn run(input: &[u8]) {
    let ([first, _], text) = super::choices(input);
    let mut loader = Loader::default();
    loader.read_stream("input.yaml", text);
    let loaded = loader.finish();
    for finding in &loaded.findings {
        assert!(!finding.message.is_empty(), "{finding:?}");
    }
    let mut admission = ADMISSION.lock();
    let admitted = admission.admit(loaded);
    // What is held for the next round must not reach the next input.
    admission.admit(Loaded::default());
    drop(admission);
    for finding in &admitted.findings {
        assert!(!finding.to_string().is_empty());
    }
    let state = StateStore::new();
    let tenancy = tenancy(first % 2 == 0);
    let compiled = compile(&admitted.snapshot, &tenancy, &LastGood::default(), &state);
    for finding in &compiled.findings {
        for manifest in admitted.manifests.values() {
            let _ = (manifest.place(&finding.path), manifest.field(&finding.path));
        }
    }
    // The same snapshot gives the same table's worth of findings, what was good before at hand.
    let again = compile(&admitted.snapshot, &tenancy, &compiled.last_good, &state);
    assert_eq!(compiled.findings, again.findings);
}

fn tenancy(operator_owned: bool) -> Tenancy {
    Tenancy {
        gateway_name: api::DEFAULT_GATEWAY.into(),
        operator_owned,
        shared_namespaces: vec!["ai".into()],
        anonymous: true,
        anonymous_namespace: Some("ai".into()),
        ambient_namespace: Some("ai".into()),
        private_upstreams: Vec::new(),
    }
}
