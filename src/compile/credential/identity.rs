//! What identities of clouds have in common: they are made of several fields and secrets, any of
//! which makes another identity when it changes, and they stand in a pool alone.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use aws_lc_rs::digest;

use super::{Compiled, value};
use crate::api::{ConditionType, KeySource, Reason};
use crate::compile::finding::{Fault, Notes};
use crate::compile::report::PartReport;
use crate::compile::{Input, Raw, note_unread};
use crate::credential::{Author, Identity};
use crate::provider::Cloud;
use crate::state::KeyIdentity;
use crate::table::{Key, KeyPool, KeySelection, SecretText};

/// What status, logs and metrics call the one key of a store that holds an identity.
const NAME: &str = "identity";

/// The parts of an identity, while they are read.
///
/// Whatever an identity is made of has to come by here: it is known by the digest of that, so a part
/// that was left out could change without anybody noticing.
pub(super) struct Parts<'a> {
    raw: &'a Raw,
    input: Input<'a>,
    /// Where they stand, such as `spec.aws`.
    path: &'static str,
    digest: digest::Context,
    faults: Vec<Fault>,
}

impl<'a> Parts<'a> {
    /// The parts at `path`, none of which has been read.
    pub(super) fn new(raw: &'a Raw, path: &'static str, input: Input<'a>) -> Self {
        let digest = digest::Context::new(&digest::SHA256);
        let mut parts = Self { raw, input, path, digest, faults: Vec::new() };
        parts.cover(path);
        parts
    }

    /// A field that is no secret.
    pub(super) fn field<'f>(&mut self, name: &str, value: Option<&'f str>) -> Option<&'f str> {
        if let Some(value) = value {
            self.cover(name);
            self.cover(value);
        }
        value
    }

    /// A secret. `None` if none is referred to, or if it cannot be read, which is noted.
    pub(super) fn secret(
        &mut self,
        name: &str,
        source: Option<&KeySource>,
    ) -> Option<&'a SecretText> {
        let read = value(self.raw, source?, &format!("{}.{name}", self.path), self.input);
        match read {
            Ok(value) => {
                self.cover(name);
                self.cover(value.expose());
                Some(value)
            }
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    /// It is the gateway's own identity, which not every namespace may use; `instead` is what the
    /// others have to set.
    pub(super) fn ambient(&mut self, instead: &str) {
        if !self.input.tenancy.permits_ambient(&self.raw.name.namespace) {
            let message = format!(
                "the gateway's own identity is only for stores of the namespace that the operator \
                 chose with `--ambient-credentials-namespace`: set {instead}"
            );
            self.faults.push(Fault::new(Reason::AmbientNotPermitted, self.path, message));
        }
    }

    /// A part cannot be used. `field` is below the path of the parts.
    pub(super) fn fault(&mut self, reason: Reason, field: &str, message: impl Into<String>) {
        let path = format!("{}.{field}", self.path);
        self.faults.push(Fault::new(reason, path, message));
    }

    /// Who wrote them.
    pub(super) fn author(&self) -> Author {
        if self.input.tenancy.operator_owned { Author::Operator } else { Author::Tenant }
    }

    /// The identity alone in a pool, which `make` makes if there is none of these parts yet. Nothing
    /// if a part was found wanting.
    pub(super) fn finish(
        self,
        cloud: Cloud,
        make: impl FnOnce() -> Arc<dyn Identity>,
        notes: &mut Notes,
    ) -> Compiled {
        if !self.faults.is_empty() {
            return self.unusable(notes);
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.digest.finish().as_ref());
        let name = &self.raw.name;
        let state = self.input.state.key(&KeyIdentity {
            namespace: name.namespace.clone(),
            store: name.name.clone(),
            key: NAME.into(),
            digest: sha256,
        });
        let key = Key::of_identity(NAME, state.proves(make), state);
        let pool = Arc::new(KeyPool {
            store: name.clone(),
            cloud: Some(cloud),
            keys: vec![Arc::new(key)],
            selection: KeySelection::InOrder,
            turn: AtomicUsize::default(),
        });
        Compiled { pool: Some(pool), reports: vec![report(None)] }
    }

    /// No identity, because of the parts that were found wanting.
    pub(super) fn unusable(self, notes: &mut Notes) -> Compiled {
        // What has to be done outweighs what will come by itself.
        let fault = self.faults.iter().map(|fault| fault.reason);
        let fault = fault.min_by_key(|reason| *reason == Reason::Pending);
        for fault in self.faults {
            note_unread(notes, ConditionType::Ready, fault);
        }
        Compiled { pool: None, reports: vec![report(fault)] }
    }

    /// With its length, so that no two lists of parts are digested alike.
    fn cover(&mut self, text: &str) {
        self.digest.update(&text.len().to_be_bytes());
        self.digest.update(text.as_bytes());
    }
}

fn report(fault: Option<Reason>) -> PartReport {
    PartReport { name: NAME.to_owned(), fault }
}
