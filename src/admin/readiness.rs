//! Whether new requests may come here, and what a person should know who asks that.

use super::Admin;
use crate::control::Report;

/// `Ok` with a detail, or why new requests should go elsewhere.
///
/// Being unable to follow the API server is no such reason: the others could not either, and what was
/// read last is served on. It is told, without names of objects, since nobody needs a key to ask.
pub(super) fn of(admin: &Admin) -> Result<String, String> {
    if admin.draining.is_cancelled() {
        return Err("draining".into());
    }
    let report = admin.report.borrow();
    if admin.cell.is_published() { Ok(detail(&report)) } else { Err(missing(&report)) }
}

fn detail(report: &Report) -> String {
    let failing = report.sources.values().filter(|source| source.failures_in_a_row > 0).count();
    if failing == 0 {
        return "ok".into();
    }
    format!(
        "ok, but serving what was read last: {failing} of {} watches and files cannot be followed \
         now (the log says which and why)",
        report.sources.len()
    )
}

fn missing(report: &Report) -> String {
    if report.waiting_for.is_empty() {
        "no routing table yet".into()
    } else {
        format!("waiting for the first list of {}", report.waiting_for.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::SourceHealth;

    fn report(failures: &[(&str, u32)]) -> Report {
        let health = |failures_in_a_row| SourceHealth { failures_in_a_row, ..Default::default() };
        let sources = failures.iter().map(|(name, count)| ((*name).into(), health(*count)));
        Report { sources: sources.collect(), ..Report::default() }
    }

    #[test]
    fn sources_that_cannot_be_followed_are_counted_and_not_named() {
        assert_eq!(detail(&report(&[("Secret ai/openai", 0), ("Consumer", 0)])), "ok");
        let told = detail(&report(&[("Secret ai/openai", 3), ("Consumer", 0)]));
        assert!(told.contains("1 of 2 watches") && !told.contains("openai"), "{told}");
    }
}
