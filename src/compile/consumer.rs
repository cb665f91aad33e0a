//! Consumers: which key is whose.

use std::collections::HashMap;
use std::sync::Arc;

use super::decode;
use super::finding::{Fault, Notes};
use super::last_good::OwnKey;
use super::report::{self, Details, ObjectReport, PartReport};
use super::secret::Source;
use super::{Input, LastGood, Raw, References, Snapshot, Tenancy};
use crate::api::{ConditionType, ConsumerKey, ConsumerKeySource, ConsumerSpec, Kind, Reason};
use crate::table::{Caller, KeyDigest, ModelPattern, ModelSet, ObjectName};

/// The shortest key, in bytes. A key is looked up by a plain digest, which is safe only for what
/// nobody can guess.
const SHORTEST_KEY: usize = 16;

/// A Consumer as it was read, or why it is refused.
#[derive(Debug)]
pub(super) struct Claimant<'r> {
    raw: &'r Raw,
    accepted: Result<(ConsumerSpec, ModelSet), Vec<Fault>>,
}

impl<'r> Claimant<'r> {
    pub(super) fn read(raw: &'r Raw) -> Self {
        Self { raw, accepted: accept(raw) }
    }
}

/// Callers by the digest of their key, while Consumers are compiled one after the other, the oldest
/// first.
#[derive(Debug, Default)]
pub(super) struct Callers {
    callers: HashMap<KeyDigest, Arc<Caller>>,
    /// Whose each key is. Also of Consumers that are disabled or cannot be read: their keys must
    /// not begin to speak for somebody else.
    owners: HashMap<KeyDigest, ObjectName>,
}

impl Callers {
    pub(super) fn into_map(self) -> HashMap<KeyDigest, Arc<Caller>> {
        self.callers
    }

    /// Leaves a Consumer the keys that it had, to be called for all before any is [added](Self::add).
    ///
    /// A digest is no secret, so that an older Consumer may write one into its spec that it has read
    /// in a younger one: the callers with that key would be led to somebody else's routes. Also a
    /// Consumer that cannot be read, or whose Secret cannot, keeps what it had: it lets nobody in,
    /// and nobody else may take it in the meantime.
    pub(super) fn keep(&mut self, one: &Claimant<'_>, input: Input<'_>, next: &mut LastGood) {
        let (raw, had) = (one.raw, input.last_good.keys(one.raw));
        if had.is_empty() {
            return;
        }
        let Ok((spec, _)) = &one.accepted else {
            for key in had {
                self.claim(raw, key.clone(), next);
            }
            return;
        };
        let is_named = |source: &Option<ConsumerKeySource>| {
            spec.api_keys.iter().any(|key| key.value_from == *source)
        };
        for key in &spec.api_keys {
            let source = &key.value_from;
            let digest = digest(raw, key, "", input.snapshot);
            // The same key from elsewhere is the same key, and what cannot be read yet may be it.
            let has_still = |own: &&OwnKey| match &digest {
                Ok(digest) => own.digest == *digest,
                Err(fault) if is_unread(fault) => own.source == *source || !is_named(&own.source),
                Err(_) => false,
            };
            for own in had.iter().filter(has_still) {
                let own = OwnKey { source: source.clone(), digest: own.digest };
                self.claim(raw, own, next);
            }
        }
    }

    /// Compiles one Consumer. One that cannot be read in full is refused: it may have lost a
    /// restriction. `next` is told who owns what.
    pub(super) fn add(
        &mut self,
        one: Claimant<'_>,
        notes: &mut Notes,
        input: Input<'_>,
        next: &mut LastGood,
    ) -> ObjectReport {
        let Claimant { raw, accepted } = one;
        let mut keys = Vec::new();
        let mut disabled = false;
        let is_accepted = accepted.is_ok();
        match accepted {
            Ok((spec, models)) => {
                disabled = spec.disabled;
                let caller = Arc::new(Caller {
                    namespace: raw.name.namespace.clone(),
                    consumer: Some(raw.name.name.clone()),
                    models,
                    admitted_everywhere: false,
                });
                keys = self.add_keys(raw, &spec, &caller, notes, input, next);
            }
            Err(faults) => {
                for fault in faults {
                    notes.error(ConditionType::Accepted, fault);
                }
            }
        }
        if disabled {
            let message = "the caller is turned away; remove it to let the caller in again";
            let fault = Fault::new(Reason::Disabled, "spec.disabled", message);
            notes.warning(ConditionType::Ready, fault);
        }
        let usable = keys.iter().filter(|key| key.fault.is_none()).count();
        let ready = format!("{usable} of {} keys can be used", keys.len());
        let mut readiness = report::condition(
            notes,
            ConditionType::Ready,
            usable > 0 && !disabled,
            (Reason::Ready, &ready),
            if is_accepted {
                (Reason::NoUsableKey, "there is no key")
            } else {
                (Reason::Invalid, report::UNREAD)
            },
        );
        if disabled {
            readiness.reason = Reason::Disabled;
        }
        ObjectReport {
            object: notes.object().clone(),
            uid: raw.uid.clone(),
            generation: raw.generation,
            conditions: vec![
                report::condition(
                    notes,
                    ConditionType::Accepted,
                    is_accepted,
                    (Reason::Accepted, "the spec is valid"),
                    (Reason::Invalid, ""),
                ),
                readiness,
            ],
            details: Details::Consumer { keys },
        }
    }

    fn add_keys(
        &mut self,
        raw: &Raw,
        spec: &ConsumerSpec,
        caller: &Arc<Caller>,
        notes: &mut Notes,
        input: Input<'_>,
        next: &mut LastGood,
    ) -> Vec<PartReport> {
        let mut reports = Vec::new();
        for (index, key) in spec.api_keys.iter().enumerate() {
            let path = format!("spec.apiKeys[{index}]");
            let source = &key.value_from;
            let digest = digest(raw, key, &path, input.snapshot);
            let added = digest.and_then(|digest| {
                if !self.claim(raw, OwnKey { source: source.clone(), digest }, next) {
                    // Not said whose: that would tell one tenant about another.
                    let message = "this key belongs to another Consumer, which had it first: make \
                                   a new one";
                    return Err(Fault::new(Reason::KeyConflict, path, message));
                }
                if !spec.disabled {
                    self.callers.insert(digest, caller.clone());
                }
                Ok(())
            });
            let fault = added.err().map(|fault| {
                let reason = fault.reason;
                super::note_unread(notes, ConditionType::Ready, fault);
                reason
            });
            reports.push(PartReport { name: key.name.clone(), fault });
        }
        reports
    }

    /// Gives a key to the first Consumer that claims it, and remembers that. The same key twice in
    /// one Consumer is one key.
    fn claim(&mut self, raw: &Raw, key: OwnKey, next: &mut LastGood) -> bool {
        let owner = self.owners.entry(key.digest).or_insert_with(|| raw.name.clone());
        let is_own = *owner == raw.name;
        if is_own {
            next.remember_key(raw, key);
        }
        is_own
    }
}

/// Whether a key has a value that is only not known. A value that was read and is no key has taken
/// the place of the one before it.
fn is_unread(fault: &Fault) -> bool {
    matches!(fault.reason, Reason::SecretNotFound | Reason::Pending)
}

/// Collects what the keys of a Consumer are to be read from. Also if it is disabled: its keys stay
/// its own.
pub(super) fn references(raw: &Raw, references: &mut References) {
    let Ok((spec, _)) = accept(raw) else { return };
    for key in &spec.api_keys {
        if let (Some(from), None) = (&key.value_from, &key.sha256) {
            Source::of_secret(&raw.name.namespace, &from.secret_key_ref).note(references);
        }
    }
}

/// The anonymous caller, where the operator allows one.
pub(super) fn anonymous(tenancy: &Tenancy) -> Option<Arc<Caller>> {
    if !tenancy.anonymous {
        return None;
    }
    let namespace = match &tenancy.anonymous_namespace {
        Some(namespace) => namespace.clone(),
        None if tenancy.operator_owned => "default".into(),
        // Somebody from nowhere must not be taken for somebody from somewhere.
        None => return None,
    };
    Some(Arc::new(Caller {
        namespace,
        consumer: None,
        models: ModelSet::new(vec![ModelPattern::Prefix("".into())]),
        admitted_everywhere: tenancy.operator_owned,
    }))
}

fn accept(raw: &Raw) -> Result<(ConsumerSpec, ModelSet), Vec<Fault>> {
    let unknown = decode::unknown_fields(Kind::Consumer, raw);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let spec: ConsumerSpec = decode::spec(raw).map_err(|fault| vec![fault])?;
    let mut patterns = Vec::with_capacity(spec.allowed_models.len());
    for (index, text) in spec.allowed_models.iter().enumerate() {
        let pattern = ModelPattern::parse(text).map_err(|error| {
            let path = format!("spec.allowedModels[{index}]");
            vec![Fault::new(Reason::Invalid, path, error.to_string())]
        })?;
        patterns.push(pattern);
    }
    Ok((spec, ModelSet::new(patterns)))
}

fn digest(
    raw: &Raw,
    key: &ConsumerKey,
    path: &str,
    snapshot: &Snapshot,
) -> Result<KeyDigest, Fault> {
    match (&key.value_from, &key.sha256) {
        (None, Some(hex)) => parse_sha256(hex).map(KeyDigest::from_bytes).ok_or_else(|| {
            let message = "must be 64 lower-case hex digits, as \
                           `printf %s \"$KEY\" | sha256sum` prints them";
            Fault::new(Reason::InvalidKey, format!("{path}.sha256"), message)
        }),
        (Some(from), None) => {
            let path = format!("{path}.valueFrom");
            let source = Source::of_secret(&raw.name.namespace, &from.secret_key_ref);
            let value = source.read(snapshot, &path)?.expose();
            if value.len() < SHORTEST_KEY {
                let message = format!(
                    "key `{}` has fewer than {SHORTEST_KEY} bytes: make a long random one, \
                     for example with `openssl rand -hex 24`",
                    key.name
                );
                return Err(Fault::new(Reason::InvalidKey, path, message));
            }
            Ok(KeyDigest::of(value.as_bytes()))
        }
        _ => {
            let message = "set exactly one of `valueFrom` and `sha256`";
            Err(Fault::new(Reason::Invalid, path, message))
        }
    }
}

fn parse_sha256(hex: &str) -> Option<[u8; 32]> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if hex.len() != 64 || !hex.bytes().all(lower) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
