//! What a vendor's own door changes in a request that is in the right API already.

use http::{HeaderMap, HeaderValue};
use memchr::memmem;
use serde_json::Value;

use super::headers::names;
use crate::protocol::dialect::{Dialect, Loss};
use crate::protocol::neutral::{CannotCross, Crossing};
use crate::protocol::registry::Operation;
use crate::provider::Provider;
use crate::provider::transport::Transport;
use crate::table::Upstream;
use crate::wire::json::{JsonError, Object, ObjectEdit};

/// The betas as a member of a body, which clouds have in place of the header.
const BETAS: &str = "anthropic_beta";
/// The version as a member of a body, likewise.
const VERSION: &str = "anthropic_version";

/// What has to be changed.
#[derive(Debug, Default)]
pub(super) struct Fit {
    /// Members that the vendor refuses.
    removed: Vec<&'static [&'static str]>,
    /// The betas that pass, where not all of them do.
    betas: Option<Vec<String>>,
}

/// What a request that passes as bytes comes to at a door.
#[derive(Debug)]
pub(super) enum Fitted {
    /// It passes, with these changes.
    Fits(Fit),
    /// Something in it has to be said in another way: it is written anew.
    Rewritten,
}

/// Whether this vendor's door takes everything that the API has.
pub(super) fn is_plain(upstream: &Upstream, operation: &Operation) -> bool {
    let Upstream { provider, transport, .. } = upstream;
    provider.quirks.betas.is_none()
        && transport.version.is_none()
        && transport.door(operation).is_none_or(|door| door.drops.is_empty())
}

/// Looks at a client's request, which came with `betas` in its headers.
pub(super) fn fit(
    object: &Object,
    mut betas: Vec<String>,
    provider: &Provider,
    dialect: &dyn Dialect,
    crossing: &mut Crossing,
) -> Result<Fitted, CannotCross> {
    let quirks = &provider.quirks;
    let Some(known) = quirks.betas else { return Ok(Fitted::Fits(Fit::default())) };
    if let Ok(Some(more)) = object.get::<Vec<String>>(BETAS, "an array of strings") {
        betas.extend(more);
    }
    let mut removed = Vec::new();
    for refused in dialect.refused(quirks, &betas) {
        let [first, inner @ ..] = refused.path else { continue };
        // A member given twice is an error when it is taken out.
        if matches!(object.raw(first), Ok(None)) || !may_hold(object, inner) {
            continue;
        }
        match refused.loss {
            Loss::Form => return Ok(Fitted::Rewritten),
            Loss::Quality => crossing.dropped(first)?,
            Loss::None => {}
        }
        removed.push(refused.path);
    }
    let passing: Vec<String> =
        betas.iter().filter_map(|beta| known.name_of(beta)).map(str::to_owned).collect();
    if passing.len() < betas.len() {
        crossing.dropped(names::ANTHROPIC_BETA.as_str())?;
    }
    Ok(Fitted::Fits(Fit { removed, betas: Some(passing) }))
}

/// Whether a text may hold the member at the end of a path: to look for its name takes no reading.
fn may_hold(object: &Object, path: &[&str]) -> bool {
    let Some(name) = path.last() else { return true };
    memmem::find(object.text(), format!("\"{name}\"").as_bytes()).is_some()
}

impl Fit {
    /// For a body that was written for this vendor, with the betas that were written beside it.
    pub fn of_written(headers: &[(&'static str, String)], provider: &Provider) -> Self {
        let betas = provider.quirks.betas.map(|_| {
            let values = headers.iter().filter(|(name, _)| names::ANTHROPIC_BETA == *name);
            values.flat_map(|(_, value)| value.split(',')).map(str::to_owned).collect()
        });
        Self { removed: Vec::new(), betas }
    }

    /// Changes the body.
    pub fn change_body(
        &self,
        edit: &mut ObjectEdit<'_>,
        transport: &Transport,
        operation: &Operation,
    ) -> Result<(), JsonError> {
        for path in &self.removed {
            edit.remove_at(path)?;
        }
        for member in transport.door(operation).into_iter().flat_map(|door| door.drops) {
            edit.remove(member)?;
        }
        if let Some(version) = transport.version {
            edit.set(VERSION, &Value::from(version))?;
        }
        if let Some(betas) = &self.betas {
            if transport.betas_in_body && !betas.is_empty() {
                edit.set(BETAS, &Value::from(betas.as_slice()))?;
            } else {
                edit.remove(BETAS)?;
            }
        }
        Ok(())
    }

    /// Changes the head.
    pub fn change_head(&self, headers: &mut HeaderMap, transport: &Transport) {
        if transport.version.is_some() {
            headers.remove(names::ANTHROPIC_VERSION);
        }
        if let Some(betas) = &self.betas {
            headers.remove(names::ANTHROPIC_BETA);
            if !transport.betas_in_body
                && !betas.is_empty()
                && let Ok(value) = HeaderValue::from_str(&betas.join(","))
            {
                headers.insert(names::ANTHROPIC_BETA, value);
            }
        }
    }
}
