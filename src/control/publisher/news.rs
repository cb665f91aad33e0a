//! Findings in the log: each once when it appears and once when it is gone, not at every compile.

use std::collections::BTreeMap;

use crate::compile::{Finding, Severity};

/// Lines for one compile. One mistake in a shared object can show on thousands of others, and a log
/// of all of them hides the rest of the log.
const MAX_LINES: usize = 50;

/// The findings of the last compile.
#[derive(Debug, Default)]
pub(super) struct News(BTreeMap<String, Severity>);

impl News {
    /// Logs what is new and what is gone.
    pub(super) fn log(&mut self, findings: &[Finding]) {
        let now: BTreeMap<_, _> =
            findings.iter().map(|finding| (finding.to_string(), finding.severity)).collect();
        for (finding, severity) in missing(&now, &self.0).take(MAX_LINES) {
            match severity {
                Severity::Error => tracing::warn!(finding, "a resource needs attention"),
                Severity::Warning | Severity::Note => {
                    tracing::info!(finding, "a resource may not be as meant");
                }
            }
        }
        for (finding, _) in missing(&self.0, &now).take(MAX_LINES) {
            tracing::info!(finding, "a resource was mended");
        }
        let unsaid = missing(&now, &self.0).count().saturating_sub(MAX_LINES);
        if unsaid > 0 {
            tracing::warn!(unsaid, "more resources need attention; each says so in its status");
        }
        self.0 = now;
    }
}

/// What is in the first and not in the second.
fn missing<'a>(
    present: &'a BTreeMap<String, Severity>,
    from: &'a BTreeMap<String, Severity>,
) -> impl Iterator<Item = (&'a str, Severity)> {
    let missing = present.iter().filter(|(finding, _)| !from.contains_key(*finding));
    missing.map(|(finding, severity)| (finding.as_str(), *severity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_news_once() {
        let set = |names: &[&str]| -> BTreeMap<String, Severity> {
            names.iter().map(|name| ((*name).to_owned(), Severity::Error)).collect()
        };
        let names = |present: &[&str], from: &[&str]| -> Vec<String> {
            missing(&set(present), &set(from)).map(|(name, _)| name.to_owned()).collect()
        };
        assert_eq!(names(&["a", "b"], &[]), ["a", "b"]);
        assert!(names(&["a", "b"], &["a", "b"]).is_empty());
        assert_eq!(names(&["b", "c"], &["a", "b"]), ["c"]);
    }
}
