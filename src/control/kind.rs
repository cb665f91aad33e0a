//! How the kinds of [`api`](crate::api) are addressed at an API server.

use kube::core::ApiResource;

use crate::api::{Consumer, CredentialStore, Kind, ModelRoute};

/// Every kind that is watched and gets a status.
pub(super) const KINDS: [Kind; 3] = [Kind::ModelRoute, Kind::CredentialStore, Kind::Consumer];

/// What the kube client needs to read objects without decoding them as their own type.
pub(super) fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::ModelRoute => ApiResource::erase::<ModelRoute>(&()),
        Kind::CredentialStore => ApiResource::erase::<CredentialStore>(&()),
        Kind::Consumer => ApiResource::erase::<Consumer>(&()),
    }
}
