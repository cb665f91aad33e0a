//! What one target is asked for embeddings, where its API is not the client's.

use super::Prepared;
use crate::protocol::embeddings::{Ask, EmbeddingsId, Plan, plan};
use crate::protocol::neutral::Crossing;
use crate::proxy::attempt::Failure;
use crate::proxy::fit::Fit;
use crate::proxy::resolve::Resolved;
use crate::table::Upstream;

/// The calls that embed a client's texts at one target.
#[derive(Debug)]
pub(in crate::proxy) struct Embeddings {
    pub api: EmbeddingsId,
    pub plan: Plan,
    /// Vectors go to the client as base64.
    pub base64: bool,
}

pub(super) fn prepare(
    resolved: &Resolved,
    upstream: &Upstream,
    api: EmbeddingsId,
) -> Result<Prepared, Failure> {
    let client = resolved.operation.embeds.ok_or_else(Failure::not_offered)?;
    let read = client.read(resolved.object.text()).ok_or_else(Failure::not_offered)?;
    let request = read.map_err(|error| Failure::unreadable(&error))?;
    let model = upstream.model_for(&resolved.model);
    let ask = Ask { request: &request, model: &model, raw: &upstream.parameters.raw };
    let mut crossing = Crossing::new(upstream.compatibility);
    let plan = plan(api, &ask, &mut crossing).map_err(|lost| Failure::untranslatable(&lost))?;
    let embeddings = Embeddings { api, plan, base64: request.base64 };
    let as_it_came =
        Prepared::as_it_came(resolved.operation, Fit::default(), crossing.into_warnings());
    Ok(Prepared {
        protocol: upstream.provider.protocol,
        embeddings: Some(embeddings),
        ..as_it_came
    })
}
