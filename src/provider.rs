//! The registry of vendors: data, not code.
//!
//! A vendor that speaks a known protocol is a row in [`registry::PROVIDERS`]: its name, base URL,
//! protocol, how it takes a key, and where it deviates.

mod clouds;
pub mod models;
pub mod place;
pub mod registry;
pub mod transport;

use crate::protocol::counting::CountingId;
use crate::protocol::dialect::{DialectId, Quirks};
use crate::protocol::embeddings::{ClientApi, EmbeddingsId};
use crate::protocol::registry::{OPERATIONS, Operation, ProtocolId};
use transport::Transport;

/// How a provider takes its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `x-api-key: KEY`.
    XApiKey,
    /// `api-key: KEY`.
    AzureApiKey,
    /// `x-goog-api-key: KEY`.
    GoogleApiKey,
}

/// A cloud whose identities a provider accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Amazon Web Services: requests are signed (Signature Version 4).
    Aws,
    /// Google Cloud: a bearer token.
    Google,
    /// Microsoft Azure: a bearer token of Entra ID.
    Azure,
}

impl Cloud {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Google => "Google Cloud",
            Self::Azure => "Azure",
        }
    }
}

/// One vendor.
#[derive(Debug)]
pub struct Provider {
    /// The name in `spec.targets[].provider`, in headers and metrics.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The protocol it speaks.
    pub protocol: ProtocolId,
    /// Its public base URL; `None` where every installation has its own.
    pub base_url: Option<&'static str>,
    /// The base URL of an installation that is told by its place: see [`place`].
    pub template: Option<&'static str>,
    /// How it takes a key.
    pub auth: Auth,
    /// Whose identities it accepts besides, if a cloud's.
    pub cloud: Option<Cloud>,
    /// What AWS calls it in signatures, where its host is not one of AWS's that tells.
    pub service: &'static str,
    /// Whether it can be asked without one (self-hosted servers).
    pub key_optional: bool,
    /// Further hosts of the same vendor that its keys may go to: `host`, `*.suffix`, or, within one
    /// label, `begin.*.suffix` and `*-suffix`.
    pub hosts: &'static [&'static str],
    /// Where it deviates from the API that it speaks.
    pub quirks: Quirks,
    /// API paths (below the base URL) that it does not have.
    pub lacks: &'static [&'static str],
    /// How it is asked for embeddings, where that is not OpenAI's way.
    pub embeddings: Option<EmbeddingsId>,
    /// How it counts the tokens of a prompt, if it does.
    pub counts: Option<CountingId>,
    /// How its door differs from the API's own.
    pub transport: &'static Transport,
    /// Set where it has an API of another form beside, chosen by a dated version.
    pub dated: Option<Dated>,
}

/// An API that is chosen by a dated version.
#[derive(Debug, Clone, Copy)]
pub struct Dated {
    /// In place of [`Provider::template`].
    pub template: &'static str,
    /// In place of [`Provider::transport`].
    pub transport: &'static Transport,
}

impl Provider {
    /// The operation by which it is asked for what a client asks with `wanted`: the same where it
    /// has it, else one of its own that says the same. `None` if it cannot be asked at all.
    pub fn operation_for(&self, wanted: &'static Operation) -> Option<&'static Operation> {
        if self.has(wanted) {
            return Some(wanted);
        }
        wanted.dialect?;
        OPERATIONS.iter().find(|row| row.dialect.is_some() && self.has(row))
    }

    /// Its operation that speaks this dialect, if it has one.
    pub fn operation_in(&self, dialect: DialectId) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|row| row.dialect == Some(dialect) && self.has(row))
    }

    fn has(&self, operation: &Operation) -> bool {
        operation.protocol == self.protocol
            && !self.lacks.contains(&operation.upstream_path)
            && (self.quirks.openai_itself || !operation.openai_alone)
    }

    /// Whether it can be asked for what a client asks with `wanted`.
    pub fn serves(&self, wanted: &'static Operation) -> bool {
        self.operation_for(wanted).is_some() || self.embeddings_for(wanted).is_some()
    }

    /// How it is asked for embeddings by a client of another API.
    pub fn embeddings_for(&self, wanted: &Operation) -> Option<EmbeddingsId> {
        self.embeddings.filter(|_| wanted.embeds == Some(ClientApi::OpenAi))
    }

    /// Whether a key of this vendor may go to `host` although its CredentialStore lists no hosts.
    pub fn owns_host(&self, host: &str) -> bool {
        let own = self.base_url.and_then(|url| url.split('/').nth(2));
        own.into_iter().chain(self.hosts.iter().copied()).any(|known| {
            let Some((before, after)) = known.split_once('*') else {
                return host.eq_ignore_ascii_case(known);
            };
            let host = host.to_ascii_lowercase();
            let between = host.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            // Unless it stands for whole labels at the beginning, the star is within one label: more
            // would be other people's names.
            let whole = before.is_empty() && after.starts_with('.');
            between.is_some_and(|some| !some.is_empty() && (whole || !some.contains('.')))
        })
    }
}
