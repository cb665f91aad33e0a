//! Members of a request that belong to a beta, or to Anthropic's own service alone.
//!
//! Clouds validate bodies against what they have opened: anything else is "Extra inputs are not
//! permitted".

use crate::protocol::dialect::{Loss, Quirks, Refused};

/// A member, and what opens it.
struct Gate {
    path: &'static [&'static str],
    /// How the betas begin that open it; without any, only Anthropic itself takes it.
    betas: &'static [&'static str],
    loss: Loss,
}

const fn member(path: &'static [&'static str], betas: &'static [&'static str], loss: Loss) -> Gate {
    Gate { path, betas, loss }
}

/// The scope of a mark says who shares the cache; the mark itself passes.
const fn scope(path: &'static [&'static str]) -> Gate {
    Gate { path, betas: &["prompt-caching-scope-"], loss: Loss::None }
}

const GATES: &[Gate] = &[
    member(&["container"], &["code-execution-", "skills-"], Loss::Quality),
    member(&["context_management"], &["context-management-", "compact-"], Loss::Quality),
    member(&["diagnostics"], &["cache-diagnosis-"], Loss::Quality),
    member(&["fallbacks"], &["server-side-fallback-"], Loss::Quality),
    member(&["inference_geo"], &[], Loss::Quality),
    member(&["mcp_servers"], &["mcp-client-"], Loss::Quality),
    // Says what `output_config` says now, which passes.
    member(&["output_format"], &["structured-outputs-"], Loss::Form),
    member(&["service_tier"], &[], Loss::None),
    member(&["speed"], &["fast-mode-"], Loss::Quality),
    member(&["user_profile_id"], &["user-profiles-"], Loss::Quality),
    scope(&["cache_control", "scope"]),
    scope(&["system", "*", "cache_control", "scope"]),
    scope(&["tools", "*", "cache_control", "scope"]),
    scope(&["messages", "*", "content", "*", "cache_control", "scope"]),
    scope(&["messages", "*", "content", "*", "content", "*", "cache_control", "scope"]),
];

impl Gate {
    fn is_open(&self, quirks: &Quirks, betas: &[String]) -> bool {
        let Some(known) = quirks.betas else { return true };
        betas.iter().any(|beta| {
            known.name_of(beta).is_some() && self.betas.iter().any(|start| beta.starts_with(start))
        })
    }
}

/// What this vendor refuses of a request that comes with these betas.
pub(super) fn refused(quirks: &Quirks, betas: &[String]) -> Vec<Refused> {
    let closed = GATES.iter().filter(|gate| !gate.is_open(quirks, betas));
    closed.map(|gate| Refused { path: gate.path, loss: gate.loss }).collect()
}

/// Whether this vendor takes a member of the top level that only Anthropic's API has.
pub(super) fn is_open(member: &str, quirks: &Quirks, betas: &[String]) -> bool {
    let gate = GATES.iter().find(|gate| gate.path == [member]);
    gate.is_some_and(|gate| gate.is_open(quirks, betas))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::dialect::Betas;

    #[test]
    fn a_gate_opens_with_a_beta_that_the_cloud_knows() {
        let known = Betas { known: &["context-management-2025-06-27"], renamed: &[] };
        let cloud = Quirks { betas: Some(Box::leak(Box::new(known))), ..Quirks::COMPATIBLE };
        let with = ["context-management-2025-06-27".to_owned(), "mcp-client-2025-11-20".to_owned()];
        assert!(is_open("context_management", &cloud, &with));
        assert!(!is_open("context_management", &cloud, &[]), "not asked for");
        assert!(!is_open("mcp_servers", &cloud, &with), "not known there");
        assert!(!is_open("messages", &cloud, &with), "not Anthropic's alone");
        assert!(is_open("inference_geo", &Quirks::COMPATIBLE, &[]), "Anthropic itself");
        assert!(refused(&Quirks::COMPATIBLE, &[]).is_empty());
    }
}
