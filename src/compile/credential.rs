//! CredentialStores: whose they are, where what they hold may go, and what of it can be used.

mod aws;
mod azure;
mod google;
mod identity;
mod pool;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decode;
use super::finding::{Fault, Notes};
use super::grant;
use super::host::AllowedHost;
use super::report::{self, Details, ObjectReport, PartReport};
use super::secret::Source;
use super::{Input, Raw, References, Tenancy};
use crate::api::{
    ApiKeyCredentials, AwsCredentials, AzureCredentials, ConditionType, CredentialStoreSpec,
    CredentialType, GoogleCredentials, KeySource, Kind, Reason,
};
use crate::table::{Admission, KeyPool, ObjectName, SecretText};

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
    /// Whether the host of a target has to tell its region of AWS, because this does not.
    pub(super) wants_region: bool,
}

/// All CredentialStores of this gateway by name.
pub(super) type Stores = BTreeMap<ObjectName, Store>;

/// The usable keys of a store, and how each one fares.
struct Compiled {
    /// `None` if there are none.
    pool: Option<Arc<KeyPool>>,
    reports: Vec<PartReport>,
}

/// What a store holds: the one block that its `type` names.
enum Held {
    Keys(ApiKeyCredentials),
    Aws(Box<AwsCredentials>),
    Google(GoogleCredentials),
    Azure(AzureCredentials),
}

/// Compiles one CredentialStore. One that cannot be read in full is refused: it may have lost a
/// restriction. Its own namespace is told so by its targets; to others it is not there.
pub(super) fn compile(raw: &Raw, input: Input<'_>, notes: &mut Notes) -> (Store, ObjectReport) {
    let accepted = accept(raw).and_then(|(spec, held)| {
        let path = "spec.allowedNamespaces";
        let grant = spec.allowed_namespaces.as_ref();
        let admission = input.namespaces.admission(grant, &raw.name.namespace, path);
        let hosts = hosts(&spec);
        Ok((held, admission.map_err(|fault| vec![fault])?, hosts.map_err(|fault| vec![fault])?))
    });
    let (accepted, store, keys) = match accepted {
        Ok((held, admission, hosts)) => {
            let Compiled { pool, reports: keys } = match &held {
                Held::Keys(keys) => pool::compile(raw, keys, input, notes),
                Held::Aws(aws) => aws::compile(raw, aws, input, notes),
                Held::Google(google) => google::compile(raw, google, input, notes),
                Held::Azure(azure) => azure::compile(raw, azure, input, notes),
            };
            let pending = keys.iter().any(|key| key.fault == Some(Reason::Pending));
            let wants_region = matches!(&held, Held::Aws(aws) if aws.region.is_none());
            (true, Store { admission, hosts, pool, pending, wants_region }, keys)
        }
        Err(faults) => {
            for fault in faults {
                notes.error(ConditionType::Accepted, fault);
            }
            let admission = grant::only(&raw.name.namespace);
            let hosts = Vec::new();
            let store = Store { admission, hosts, pool: None, pending: false, wants_region: false };
            (false, store, Vec::new())
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
    let Ok((_, held)) = accept(raw) else { return };
    for source in held.sources() {
        if let Ok(source) = Source::of_key(&raw.name.namespace, source, tenancy, "") {
            source.note(references);
        }
    }
}

impl Held {
    /// Everything that has to be read for it.
    fn sources(&self) -> Vec<&KeySource> {
        match self {
            Self::Keys(pool) => pool.keys.iter().map(|key| &key.value_from).collect(),
            Self::Aws(aws) => aws::sources(aws),
            Self::Google(google) => google.service_account_key.iter().collect(),
            Self::Azure(azure) => azure.client_secret.iter().collect(),
        }
    }
}

fn accept(raw: &Raw) -> Result<(CredentialStoreSpec, Held), Vec<Fault>> {
    let unknown = decode::unknown_fields(Kind::CredentialStore, raw);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut spec: CredentialStoreSpec = decode::spec(raw).map_err(|fault| vec![fault])?;
    let held = held(&mut spec).map_err(|fault| vec![fault])?;
    Ok((spec, held))
}

/// Takes the block that `type` names out of the spec, which holds no other.
fn held(spec: &mut CredentialStoreSpec) -> Result<Held, Fault> {
    let blocks = [
        (CredentialType::ApiKey, "spec.apiKey", spec.api_key.take().map(Held::Keys)),
        (CredentialType::Aws, "spec.aws", spec.aws.take().map(|aws| Held::Aws(Box::new(aws)))),
        (CredentialType::Google, "spec.google", spec.google.take().map(Held::Google)),
        (CredentialType::Azure, "spec.azure", spec.azure.take().map(Held::Azure)),
    ];
    let mut named = None;
    for (kind, path, block) in blocks {
        let is_named = spec.r#type == kind;
        if block.is_some() != is_named {
            let kind = kind.as_str();
            let message = if is_named {
                format!("is required with `type: {kind}`")
            } else {
                format!("is only for `type: {kind}`: remove it")
            };
            return Err(Fault::new(Reason::Invalid, path, message));
        }
        named = named.or(block);
    }
    named.ok_or_else(|| {
        let message = "names nothing that this version knows";
        Fault::new(Reason::UnsupportedValue, "spec.type", message)
    })
}

/// The value that a key or an identity is made of, which stands at `path`.
fn value<'a>(
    raw: &Raw,
    source: &KeySource,
    path: &str,
    input: Input<'a>,
) -> Result<&'a SecretText, Fault> {
    let source = Source::of_key(&raw.name.namespace, source, input.tenancy, path)?;
    let value = source.read(input.snapshot, path)?;
    if value.expose().trim().is_empty() {
        return Err(Fault::new(Reason::InvalidKey, path, "the value is empty"));
    }
    Ok(value)
}

fn hosts(spec: &CredentialStoreSpec) -> Result<Vec<AllowedHost>, Fault> {
    // To leave out the one that cannot be read might leave none, which means something else.
    let parse = |(index, text): (usize, &String)| {
        AllowedHost::parse(text).ok_or_else(|| {
            let message = "must be `host`, `host:port`, `*.suffix`, `*.suffix:port` or \
                           `service/NAMESPACE/NAME`";
            Fault::new(Reason::Invalid, format!("spec.allowedHosts[{index}]"), message)
        })
    };
    spec.allowed_hosts.iter().enumerate().map(parse).collect()
}
