//! The measurement itself: gateway and bare proxy in turn, case by case, round by round.

use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::figure::Figure;
use crate::load::{self, Load, Seen, request};
use crate::meter::{Window, metered};
use crate::process::{Role, pin, resident_mib};
use crate::subject::{LOAD_CORE, Running, Subject};

/// Connections of the closed loop: enough that the proxy never waits for the load.
const CONNECTIONS: usize = 64;
/// Streams open at once in the paced case.
const STREAMS: usize = 100;
/// The fixed rate is [`RATE_CONNECTIONS`] requests each [`RATE_PERIOD`]: 5,000 a second, a tenth to a
/// fifth of what one core can do.
const RATE_CONNECTIONS: usize = 50;
const RATE_PERIOD: Duration = Duration::from_millis(10);

/// Cores that other programs may use before a measurement counts as disturbed.
const QUIET: f64 = 0.1;

/// How much to measure.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Time that counts, of each case of each subject in each round.
    pub(crate) length: Duration,
    pub(crate) warm_up: Duration,
    /// How often at most a disturbed measurement is made again.
    pub(crate) tries: usize,
    /// The gateway's program; none measures the bare proxy against itself.
    pub(crate) gateway: Option<PathBuf>,
}

/// All figures of one subject in one round.
pub(crate) struct Sample {
    pub(crate) round: usize,
    pub(crate) subject: Subject,
    pub(crate) figures: BTreeMap<Figure, f64>,
    /// Cores that other programs used, in the worst of its cases.
    pub(crate) others: f64,
    pub(crate) errors: u32,
}

#[derive(Clone, Copy)]
enum Case {
    /// 2 KB requests over [`CONNECTIONS`], as fast as answers come.
    Requests,
    /// [`STREAMS`] paced streams.
    Events,
    /// One connection, one request after the other.
    OneConnection,
    /// Requests at a fixed rate.
    FixedRate,
    /// As [`Case::Requests`], from clients that speak another protocol than the upstream.
    Translated,
    /// As [`Case::Events`], likewise.
    TranslatedEvents,
}

impl Case {
    const ALL: [Self; 6] = [
        Self::Requests,
        Self::Events,
        Self::OneConnection,
        Self::FixedRate,
        Self::Translated,
        Self::TranslatedEvents,
    ];

    /// Only the gateway translates.
    fn concerns(self, subject: Subject, plan: &Plan) -> bool {
        match self {
            Self::Translated | Self::TranslatedEvents => {
                subject == Subject::Gateway && plan.gateway.is_some()
            }
            _ => true,
        }
    }
}

/// Runs the plan. Pins the calling thread.
pub(crate) fn run(plan: &Plan) -> Result<Vec<Sample>> {
    pin(LOAD_CORE)?;
    let generator = Builder::new_current_thread().enable_all().build()?;
    let mut samples = Vec::new();
    for round in 0..plan.rounds {
        samples.extend(generator.block_on(run_round(plan, round))?);
        eprintln!("round {} of {} done", round + 1, plan.rounds);
    }
    Ok(samples)
}

/// One round with fresh processes. Inside it each case goes through all subjects before the next
/// case begins, so that what is compared is seconds apart.
async fn run_round(plan: &Plan, round: usize) -> Result<Vec<Sample>> {
    let upstream = Role::start(Some(LOAD_CORE), &["upstream".into()])?;
    let mut subjects = start(plan, &upstream).await?;
    if round % 2 == 1 {
        subjects.reverse();
    }
    let mut samples: Vec<Sample> = subjects
        .iter()
        .map(|&(subject, _)| Sample {
            round,
            subject,
            figures: BTreeMap::new(),
            others: 0.0,
            errors: 0,
        })
        .collect();

    memory(&subjects, &mut samples, Figure::IdleMemory)?;
    for case in Case::ALL {
        let concerned = subjects.iter().zip(&mut samples);
        for ((_, running), sample) in
            concerned.filter(|((subject, _), _)| case.concerns(*subject, plan))
        {
            measure(plan, case, running, &upstream, sample).await?;
        }
    }
    memory(&subjects, &mut samples, Figure::LoadedMemory)?;
    Ok(samples)
}

async fn start(plan: &Plan, upstream: &Role) -> Result<Vec<(Subject, Running)>> {
    let address = upstream.addresses[0];
    let gateway = match &plan.gateway {
        Some(program) => Running::gateway(program, address).await?,
        None => Running::baseline(address)?,
    };
    Ok(vec![
        (Subject::Direct, Running::direct(upstream)),
        (Subject::Baseline, Running::baseline(address)?),
        (Subject::Gateway, gateway),
    ])
}

/// Measures one case, again where strangers disturbed it, and keeps the quietest of the tries.
async fn measure(
    plan: &Plan,
    case: Case,
    running: &Running,
    upstream: &Role,
    sample: &mut Sample,
) -> Result<()> {
    let mut best: Option<Measured> = None;
    for _ in 0..plan.tries {
        let window = Window::starting_now(plan.warm_up, plan.length);
        let load = drive(case, running, window);
        let (seen, used) = metered(running.pid, upstream.pid(), window, load).await?;
        sample.errors += seen.errors;
        if let Some(error) = &seen.first_error {
            eprintln!("{:?}: {error}", sample.subject);
        }
        let others = used.others.as_secs_f64() / window.seconds();
        if best.as_ref().is_none_or(|best| others < best.others) {
            best = Some(Measured { seen, cpu: used.proxy, others, seconds: window.seconds() });
        }
        if others < QUIET {
            break;
        }
    }
    let best = best.ok_or_else(|| Error::other("no try at all"))?;
    sample.others = sample.others.max(best.others);
    sample.figures.extend(best.figures(case));
    Ok(())
}

/// What one try of a case brought.
struct Measured {
    seen: Seen,
    cpu: Duration,
    /// Cores that strangers used.
    others: f64,
    seconds: f64,
}

impl Measured {
    fn figures(mut self, case: Case) -> Vec<(Figure, f64)> {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let count = self.seen.times.len() as f64;
        let cores = self.cpu.as_secs_f64() / self.seconds;
        let each = micros(self.cpu) / count;
        let (p50, p99) = (micros(self.seen.percentile(0.5)), micros(self.seen.percentile(0.99)));
        match case {
            Case::Requests => vec![
                (Figure::RequestRate, count / self.seconds),
                (Figure::RequestCores, cores),
                (Figure::RequestCpu, each),
            ],
            Case::Events => vec![(Figure::EventCpu, each), (Figure::EventGapP99, p99)],
            Case::OneConnection => vec![(Figure::OneP50, p50), (Figure::OneP99, p99)],
            Case::Translated => vec![(Figure::TranslatedCpu, each)],
            Case::TranslatedEvents => vec![(Figure::TranslatedEventCpu, each)],
            Case::FixedRate => vec![(Figure::RateP50, p50), (Figure::RateP99, p99)],
        }
    }
}

fn drive(
    case: Case,
    running: &Running,
    window: Window,
) -> impl Future<Output = Result<Seen>> + Send + use<> {
    let address = running.address;
    let load = |connections, request, every| Load { address, request, connections, every };
    let (load, streams) = match case {
        Case::Requests => (load(CONNECTIONS, request::chat(false), None), false),
        Case::Events => (load(STREAMS, request::chat(true), None), true),
        Case::OneConnection => (load(1, request::chat(false), None), false),
        Case::FixedRate => (load(RATE_CONNECTIONS, request::chat(false), Some(RATE_PERIOD)), false),
        Case::Translated => (load(CONNECTIONS, request::messages(false), None), false),
        Case::TranslatedEvents => (load(STREAMS, request::messages(true), None), true),
    };
    async move {
        Ok(if streams {
            load::streams(load, window).await
        } else {
            load::requests(load, window).await
        })
    }
}

fn memory(subjects: &[(Subject, Running)], samples: &mut [Sample], figure: Figure) -> Result<()> {
    for ((_, running), sample) in subjects.iter().zip(samples) {
        sample.figures.insert(figure, resident_mib(running.pid)?);
    }
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
