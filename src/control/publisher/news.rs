//! Findings in the log: each once when it appears and once when it is gone, not at every compile.

use std::collections::BTreeSet;

use crate::compile::Finding;

/// The findings of the last compile, as they were logged.
#[derive(Debug, Default)]
pub(super) struct News(BTreeSet<String>);

impl News {
    /// Logs what is new and what is gone.
    pub(super) fn log(&mut self, findings: &[Finding]) {
        let now = findings.iter().map(ToString::to_string).collect();
        for finding in self.appeared(&now) {
            tracing::warn!(finding, "a resource needs attention");
        }
        for finding in self.gone(&now) {
            tracing::info!(finding, "a resource was mended");
        }
        self.0 = now;
    }

    fn appeared<'n>(&'n self, now: &'n BTreeSet<String>) -> Vec<&'n str> {
        now.difference(&self.0).map(String::as_str).collect()
    }

    fn gone<'n>(&'n self, now: &'n BTreeSet<String>) -> Vec<&'n str> {
        self.0.difference(now).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_news_once() {
        let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let mut news = News::default();
        assert_eq!(news.appeared(&set(&["a", "b"])), ["a", "b"]);
        news.0 = set(&["a", "b"]);
        assert!(news.appeared(&set(&["a", "b"])).is_empty());
        assert_eq!(news.appeared(&set(&["b", "c"])), ["c"]);
        assert_eq!(news.gone(&set(&["b", "c"])), ["a"]);
    }
}
