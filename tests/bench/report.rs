//! The rounds as one table for people and one JSON document for machines.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::compare::Sample;
use crate::figure::{Figure, Reading, Target};
use crate::spread::Spread;
use crate::subject::Subject;

/// Below this share of a core in the closed loop something else was the limit, not the proxy, and
/// the requests a second say less than the CPU for each.
const SATURATED: f64 = 0.95;

/// The result of a run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The gateway's place was taken by a second baseline.
    self_check: bool,
    rounds: usize,
    errors: u32,
    /// Cores that other programs used beside it, in the worst measurement of each round: what a
    /// reader must know before believing the rest.
    others: Option<Spread>,
    lines: Vec<Line>,
}

/// One figure of all three subjects. Where the figure is an addition, `baseline` and `gateway` are
/// what they add to `direct`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    figure: Figure,
    title: &'static str,
    direct: Option<Spread>,
    baseline: Option<Spread>,
    gateway: Option<Spread>,
    /// Gateway to baseline, or to what it is read against, of the same round.
    ratio: Option<Spread>,
    target: Option<String>,
    met: Option<bool>,
}

impl Report {
    pub(crate) fn new(samples: &[Sample], self_check: bool) -> Self {
        Self {
            self_check,
            rounds: samples.iter().map(|sample| sample.round + 1).max().unwrap_or(0),
            errors: samples.iter().map(|sample| sample.errors).sum(),
            others: Spread::of(samples.iter().map(|sample| sample.others)),
            lines: Figure::ALL.into_iter().map(|figure| Line::new(samples, figure)).collect(),
        }
    }

    /// Requests and streams that did not end as they should; one is too many.
    pub(crate) fn errors(&self) -> u32 {
        self.errors
    }
}

impl Line {
    fn new(samples: &[Sample], figure: Figure) -> Self {
        let rounds = samples.iter().map(|sample| sample.round + 1).max().unwrap_or(0);
        let of = |subject| {
            Spread::of((0..rounds).filter_map(|round| shown(samples, figure, subject, round)))
        };
        let against = match figure.reading() {
            Reading::Ratio => Some((figure, Subject::Baseline)),
            Reading::RatioTo(other) => Some((other, Subject::Gateway)),
            Reading::Added | Reading::Plain => None,
        };
        let ratio = against.and_then(|(other, subject)| {
            Spread::of((0..rounds).filter_map(|round| {
                let gateway = shown(samples, figure, Subject::Gateway, round)?;
                Some(gateway / shown(samples, other, subject, round)?)
            }))
        });
        let gateway = of(Subject::Gateway);
        Self {
            figure,
            title: figure.title(),
            direct: of(Subject::Direct).filter(|_| figure.is_of_the_path()),
            baseline: of(Subject::Baseline),
            gateway,
            ratio,
            target: figure.target().map(Target::show),
            met: figure
                .target()
                .zip(gateway)
                .map(|(target, gateway)| target.is_met(ratio.map(|r| r.median), gateway.median)),
        }
    }
}

/// A subject's figure in a round, as the report shows it.
fn shown(samples: &[Sample], figure: Figure, subject: Subject, round: usize) -> Option<f64> {
    let measured = |subject| {
        samples
            .iter()
            .find(|sample| sample.round == round && sample.subject == subject)
            .and_then(|sample| sample.figures.get(&figure).copied())
    };
    match (figure.reading(), subject) {
        (Reading::Added, Subject::Baseline | Subject::Gateway) => {
            Some(measured(subject)? - measured(Subject::Direct)?)
        }
        _ => measured(subject),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gateway = if self.self_check { "baseline again" } else { "gateway" };
        writeln!(out, "median (min..max) of {} rounds\n", self.rounds)?;
        writeln!(out, "| figure | no proxy | baseline | {gateway} | ratio | target |")?;
        writeln!(out, "|---|---|---|---|---|---|")?;
        for line in &self.lines {
            let cell = |spread: Option<Spread>, decimals| {
                spread.map_or_else(String::new, |spread: Spread| spread.show(decimals))
            };
            let decimals = line.figure.decimals();
            let mut target = line.target.clone().unwrap_or_default();
            if let Some(met) = line.met.filter(|_| !self.self_check) {
                target.write_str(if met { " met" } else { " MISSED" })?;
            }
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {target} |",
                line.title,
                cell(line.direct, decimals),
                cell(line.baseline, decimals),
                cell(line.gateway, decimals),
                cell(line.ratio, 2),
            )?;
        }
        writeln!(out, "\nerrors: {}", self.errors)?;
        if let Some(others) = self.others {
            writeln!(out, "cores in use by other programs: {}", others.show(2))?;
        }
        self.warn_of_idle_proxies(out)
    }
}

impl Report {
    fn warn_of_idle_proxies(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines.iter().filter(|line| line.figure == Figure::RequestCores) {
            for (name, cores) in [("baseline", line.baseline), ("gateway", line.gateway)] {
                if let Some(cores) = cores.filter(|cores| cores.median < SATURATED) {
                    writeln!(
                        out,
                        "note: the {name} had {:.2} of its core under full load: the load was \
                         the limit, or other programs had the core. Trust its CPU for each \
                         request over its requests a second",
                        cores.median
                    )?;
                }
            }
        }
        Ok(())
    }
}
