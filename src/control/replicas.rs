//! What each replica serves and how its targets fare, told in a Lease of its own.
//!
//! ```text
//!  every replica                        the leader
//!  Report, TableCell ─► Word ─► Keeper ─► Lease ─ watch ─► Fleet ─► View ─► status
//! ```
//!
//! Only status needs to know of other replicas; each serves regardless. A replica that serves its
//! first table makes a Lease beside the leader's, labelled with the gateway's name and owned by its
//! pod. The annotation `pilothouse.dev/word` holds a [`Word`](word::Word) in JSON:
//!
//! | field | holds |
//! |---|---|
//! | `version` | 1; a reader takes a replica of another version for one that says nothing |
//! | `seen` | which generations of which routes it has taken in ([`census`]): sums of 32 bits, in base64, as many as there are routes, up to 256 |
//! | `not` | marks of routes that it has taken in and does not serve at that generation, 128 at most |
//! | `targets` | a letter for each target that has been asked or is left alone, 128 at most, those left alone first |
//! | `keys` | each key that rests, why and until when, 64 at most |
//! | `unlisted` | how many targets and keys more there are; of those that are in no list, the replica is then taken to say nothing |
//!
//! A [`Mark`] is 48 bits of a SHA-256 of names or a uid. No value of a key goes into any of this.
//!
//! **A replica counts** from its first Lease to its removal when it drains, or until nobody has
//! renewed it for [`LEASE_DURATION`] *by the leader's own clock since it last saw it change*. While
//! the leader hears of no Lease at all, its own included, nobody is taken for dead: then it is the
//! leader who is cut off, and says so.
//!
//! **What it costs** the API server: a write every 10 s for each replica, and one within 2 s of a
//! change of routes. A Lease takes 0.7 KB with ten routes, 2 KB with 5,000, 20 bytes more for each
//! target that has been asked, and never more than 10 KB. With 50 replicas that is 5 writes a second
//! at rest (10 to 22 KB/s with 5,000 routes), 25 a second while routes change all the time, and as
//! many events to one watch, the leader's. At rest that is what 50 nodes cost by Leases of their own.

mod census;
mod fleet;
mod health;
mod keeper;
mod mark;
mod view;
mod word;

use std::collections::BTreeMap;
use std::time::Duration;

pub(super) use self::fleet::{Fleet, Follower};
pub(super) use self::keeper::Keeper;
use self::mark::Mark;
pub(super) use self::view::{Absence, Serving, View};
#[cfg(test)]
pub(super) use self::word::Word;

/// The annotation that holds a replica's word.
const WORD: &str = "pilothouse.dev/word";
/// The label that names the gateway, as `--gateway-name` does.
const GATEWAY: &str = "pilothouse.dev/gateway";
/// The label that tells these Leases from the leader's.
const ROLE: (&str, &str) = ("pilothouse.dev/lease", "replica");

/// How long a replica counts that does not renew its Lease: until then status waits for one that has
/// vanished. Its pod's end removes the Lease sooner.
const LEASE_DURATION: Duration = Duration::from_secs(30);

/// What the Leases of one installation are called.
#[derive(Debug, Clone)]
pub(super) struct LeaseNames {
    gateway: String,
    prefix: String,
    /// This replica's own.
    own: String,
}

impl LeaseNames {
    pub(super) fn new(gateway: &str, replica: &str) -> Self {
        let prefix = format!("pilothouse-{gateway}-replica-");
        let own = format!("{prefix}{}", replica.to_ascii_lowercase());
        Self { gateway: gateway.to_owned(), prefix, own }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        [(GATEWAY, self.gateway.as_str()), ROLE]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn selector(&self) -> String {
        let (role, replica) = ROLE;
        format!("{GATEWAY}={},{role}={replica}", self.gateway)
    }

    /// The name that people know the replica of that Lease by: its pod's.
    fn replica<'l>(&self, lease: &'l str) -> &'l str {
        lease.strip_prefix(&self.prefix).unwrap_or(lease)
    }
}
