//! CredentialStores: whose they are, where their keys may go, and which keys can be used.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use aws_lc_rs::digest;

use super::decode;
use super::finding::{Fault, Notes};
use super::grant;
use super::host::AllowedHost;
use super::report::{self, Details, ObjectReport, PartReport};
use super::secret::Source;
use super::{Input, Raw, References, Tenancy};
use crate::api::{ConditionType, CredentialStoreSpec, Kind, Reason, StoredKey};
use crate::state::KeyIdentity;
use crate::table::{Admission, Key, KeyPool, KeySelection, ObjectName};

/// A compiled CredentialStore.
#[derive(Debug)]
pub(super) struct Store {
    /// Whose routes may use it.
    pub(super) admission: Admission,
    /// Where its keys may go; empty: to the hosts of the target's provider.
    pub(super) hosts: Vec<AllowedHost>,
    /// Its usable keys; `None` if there are none.
    pub(super) pool: Option<Arc<KeyPool>>,
    /// Whether a key has not been read yet.
    pub(super) pending: bool,
}

/// All CredentialStores of this gateway by name.
pub(super) type Stores = BTreeMap<ObjectName, Store>;

/// Compiles one CredentialStore. One that cannot be read in full is refused: it may have lost a
/// restriction. Its own namespace is told so by its targets; to others it is not there.
pub(super) fn compile(raw: &Raw, input: Input<'_>, notes: &mut Notes) -> (Store, ObjectReport) {
    let accepted = accept(raw).and_then(|spec| {
        let path = "spec.allowedNamespaces";
        let grant = spec.allowed_namespaces.as_ref();
        let admission = input.namespaces.admission(grant, &raw.name.namespace, path);
        let hosts = hosts(&spec);
        Ok((spec, admission.map_err(|fault| vec![fault])?, hosts.map_err(|fault| vec![fault])?))
    });
    let (accepted, store, keys) = match accepted {
        Ok((spec, admission, hosts)) => {
            let (pool, keys) = pool(raw, &spec, input, notes);
            let pending = keys.iter().any(|key| key.fault == Some(Reason::Pending));
            (true, Store { admission, hosts, pool, pending }, keys)
        }
        Err(faults) => {
            for fault in faults {
                notes.error(ConditionType::Accepted, fault);
            }
            let admission = grant::only(&raw.name.namespace);
            (false, Store { admission, hosts: Vec::new(), pool: None, pending: false }, Vec::new())
        }
    };
    let usable = keys.iter().filter(|key: &&PartReport| key.fault.is_none()).count();
    let ready = format!("{usable} of {} keys can be used", keys.len());
    let bad = if accepted {
        (Reason::NoUsableKey, "there is no key")
    } else {
        (Reason::Invalid, report::UNREAD)
    };
    let report = ObjectReport {
        object: notes.object().clone(),
        uid: raw.uid.clone(),
        generation: raw.generation,
        conditions: vec![
            report::condition(
                notes,
                ConditionType::Accepted,
                accepted,
                (Reason::Accepted, "the spec is valid"),
                (Reason::Invalid, ""),
            ),
            report::condition(
                notes,
                ConditionType::Ready,
                store.pool.is_some(),
                (Reason::Ready, &ready),
                bad,
            ),
        ],
        details: Details::Store { keys },
    };
    (store, report)
}

/// Collects what the keys of a store are to be read from.
pub(super) fn references(raw: &Raw, tenancy: &Tenancy, references: &mut References) {
    let Ok(spec) = accept(raw) else { return };
    for key in spec.api_key.iter().flat_map(|pool| &pool.keys) {
        if let Ok(source) = Source::of_key(&raw.name.namespace, &key.value_from, tenancy, "") {
            source.note(references);
        }
    }
}

fn accept(raw: &Raw) -> Result<CredentialStoreSpec, Vec<Fault>> {
    let unknown = decode::unknown_fields(Kind::CredentialStore, raw);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let spec: CredentialStoreSpec = decode::spec(raw).map_err(|fault| vec![fault])?;
    if spec.api_key.is_none() {
        let message = "is required when `type` is `APIKey`: give `apiKey.keys`";
        return Err(vec![Fault::new(Reason::Invalid, "spec.apiKey", message)]);
    }
    Ok(spec)
}

fn hosts(spec: &CredentialStoreSpec) -> Result<Vec<AllowedHost>, Fault> {
    // To leave out the one that cannot be read might leave none, which means something else.
    let parse = |(index, text): (usize, &String)| {
        AllowedHost::parse(text).ok_or_else(|| {
            let message = "must be `host`, `host:port`, `*.suffix` or `*.suffix:port`";
            Fault::new(Reason::Invalid, format!("spec.allowedHosts[{index}]"), message)
        })
    };
    spec.allowed_hosts.iter().enumerate().map(parse).collect()
}

fn pool(
    raw: &Raw,
    spec: &CredentialStoreSpec,
    input: Input<'_>,
    notes: &mut Notes,
) -> (Option<Arc<KeyPool>>, Vec<PartReport>) {
    let mut keys = Vec::new();
    let mut reports = Vec::new();
    let mut names = HashSet::new();
    for (index, stored) in spec.api_key.iter().flat_map(|pool| &pool.keys).enumerate() {
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
                super::note_unread(notes, ConditionType::Ready, fault);
                Some(reason)
            }
        };
        reports.push(PartReport { name: stored.name.clone(), fault });
    }
    keys.sort_by_key(|key| key.priority);
    let selection = match spec.api_key.as_ref().map(|pool| pool.selection) {
        Some(crate::api::KeySelection::RoundRobin) => KeySelection::RoundRobin,
        Some(crate::api::KeySelection::InOrder) | None => KeySelection::InOrder,
    };
    let turn = AtomicUsize::new(fastrand::usize(..));
    let pool = KeyPool { store: raw.name.clone(), cloud: None, keys, selection, turn };
    ((!pool.keys.is_empty()).then(|| Arc::new(pool)), reports)
}

fn key(raw: &Raw, stored: &StoredKey, path: &str, input: Input<'_>) -> Result<Key, Fault> {
    let path = format!("{path}.valueFrom");
    let source = Source::of_key(&raw.name.namespace, &stored.value_from, input.tenancy, &path)?;
    let value = source.read(input.snapshot, &path)?;
    let invalid = |message| Fault::new(Reason::InvalidKey, path.as_str(), message);
    if value.expose().trim().is_empty() {
        return Err(invalid("the value is empty"));
    }
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
        invalid("the value holds characters that no HTTP header can: is it the key itself?")
    })
}
