//! The Secrets that are referred to; no other one is handed on.
//!
//! They are followed by a [watch of each](ByName), which a role that names them allows, or by
//! [one for all that have a label](Labelled) in a namespace, which spares the API server most of
//! the watches. Either makes a rotation live at once. Values exist only as
//! [`SecretText`](crate::table::SecretText).

mod by_name;
mod data;
mod labelled;
mod reading;

use std::sync::Arc;

use kube::Client;

pub(super) use self::by_name::ByName;
pub(super) use self::labelled::Labelled;
use super::cluster::Lists;
use super::inventory::Inventory;

/// How the Secrets that resources refer to are followed.
#[derive(Debug, Clone)]
pub enum SecretWatch {
    /// By a watch of each. With a label selector a Secret without the labels is not read.
    ByName(Option<Arc<str>>),
    /// By a watch of each namespace, for the Secrets that this label selector matches.
    Labelled(Arc<str>),
}

/// What it takes to read some.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) client: Client,
    pub(super) inventory: Arc<Inventory>,
    pub(super) lists: Lists,
}

#[cfg(test)]
mod tests;
