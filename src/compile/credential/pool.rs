//! Pools of keys that are sent as they are.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use aws_lc_rs::digest;

use super::{Compiled, value};
use crate::api::{self, ApiKeyCredentials, ConditionType, Reason, StoredKey};
use crate::compile::finding::{Fault, Notes};
use crate::compile::report::PartReport;
use crate::compile::{Input, Raw, note_unread};
use crate::state::KeyIdentity;
use crate::table::{Key, KeyPool, KeySelection};

/// The keys of a store that can be used, and how each one fares.
pub(super) fn compile(
    raw: &Raw,
    credentials: &ApiKeyCredentials,
    input: Input<'_>,
    notes: &mut Notes,
) -> Compiled {
    let mut keys = Vec::new();
    let mut reports = Vec::new();
    let mut names = HashSet::new();
    for (index, stored) in credentials.keys.iter().enumerate() {
        let path = format!("spec.apiKey.keys[{index}]");
        let key = if names.insert(&stored.name) {
            key(raw, stored, &path, input)
        } else {
            let message = format!("another key is named `{}`: names must differ", stored.name);
            Err(Fault::new(Reason::Invalid, format!("{path}.name"), message))
        };
        let fault = match key {
            Ok(key) => {
                keys.push(Arc::new(key));
                None
            }
            Err(fault) => {
                let reason = fault.reason;
                note_unread(notes, ConditionType::Ready, fault);
                Some(reason)
            }
        };
        reports.push(PartReport { name: stored.name.clone(), fault });
    }
    keys.sort_by_key(|key| key.priority);
    let selection = match credentials.selection {
        api::KeySelection::RoundRobin => KeySelection::RoundRobin,
        api::KeySelection::InOrder => KeySelection::InOrder,
    };
    let turn = AtomicUsize::new(fastrand::usize(..));
    let pool = KeyPool { store: raw.name.clone(), cloud: None, keys, selection, turn };
    Compiled { pool: (!pool.keys.is_empty()).then(|| Arc::new(pool)), reports }
}

fn key(raw: &Raw, stored: &StoredKey, path: &str, input: Input<'_>) -> Result<Key, Fault> {
    let path = format!("{path}.valueFrom");
    let value = value(raw, &stored.value_from, &path, input)?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest::digest(&digest::SHA256, value.expose().as_bytes()).as_ref());
    let name: Arc<str> = stored.name.as_str().into();
    let identity = KeyIdentity {
        namespace: raw.name.namespace.clone(),
        store: raw.name.name.clone(),
        key: name.clone(),
        digest: sha256,
    };
    Key::new(name, stored.priority, value, input.state.key(&identity)).ok_or_else(|| {
        let message = "the value holds characters that no HTTP header can: is it the key itself?";
        Fault::new(Reason::InvalidKey, path, message)
    })
}
