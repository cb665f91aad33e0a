//! One work-stealing runtime against one runtime per core: the measurement behind the data
//! plane's choice. The account of it is in `deploy/guides/benchmarks.md`.
//!
//! Nothing is pinned here: two proxy threads need both cores, and so share them with the load.
//! That favours nobody, but makes throughput the whole machine's; the proxy's CPU time per
//! request and the tails of the latency are what tells the variants apart.

use std::io::Result;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::load::{self, Load, Seen, multiplexed, request};
use crate::meter::{Window, metered};
use crate::process::{Role, resident_mib};
use crate::spread::Spread;

const VARIANTS: [&str; 3] = ["single", "per-core", "stealing"];
const CASES: [Case; 5] =
    [Case::Requests, Case::Streams, Case::UnevenStreams, Case::Work, Case::UnevenWork];
const WARM_UP: Duration = Duration::from_secs(1);
const LENGTH: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, PartialEq)]
enum Case {
    /// 2 KB requests over 64 connections, as fast as answers come.
    Requests,
    /// 300 streams over as many connections, an event each 5 ms.
    Streams,
    /// 4 HTTP/2 connections with 75 such streams each, all accepted by one thread of `per-core`,
    /// and one more connection there with a short request each 10 ms, which is what is timed.
    UnevenStreams,
    /// As `Requests`, with 50 µs of work for each.
    Work,
    /// As `Work`, all connections accepted by one thread of `per-core`.
    UnevenWork,
}

/// What one variant did in one case of one round.
struct Sample {
    variant: &'static str,
    case: Case,
    per_second: f64,
    cpu_micros: f64,
    cores: f64,
    p50: Duration,
    p99: Duration,
    errors: u32,
    resident: f64,
}

/// Runs `rounds` rounds and prints the medians.
pub(crate) fn compare(rounds: usize) -> Result<()> {
    let generator = Builder::new_current_thread().enable_all().build()?;
    let mut samples = Vec::new();
    for round in 0..rounds {
        for case in CASES {
            for turn in 0..VARIANTS.len() {
                // Another one first in each round: being first is not the same as being third.
                let variant = VARIANTS[(turn + round) % VARIANTS.len()];
                samples.push(generator.block_on(measure(variant, case))?);
            }
        }
        eprintln!("round {} of {rounds} done", round + 1);
    }
    print(&samples);
    Ok(())
}

async fn measure(variant: &'static str, case: Case) -> Result<Sample> {
    let upstream = Role::start(None, &["upstream".into()])?;
    let proxy = Role::start(
        None,
        &[
            "baseline".into(),
            upstream.addresses[0].to_string(),
            format!("--threads={variant}"),
            format!("--work-micros={}", case.work_micros()),
        ],
    )?;
    // `per-core` alone prints more: one address for each thread.
    let uneven = proxy.addresses.get(1).copied().unwrap_or(proxy.addresses[0]);
    let window = Window::starting_now(WARM_UP, LENGTH);
    let load = drive(case, proxy.addresses[0], uneven, window);
    let ((done, mut timed), used) = metered(proxy.pid(), upstream.pid(), window, load).await?;
    let resident = resident_mib(proxy.pid())?;
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let count = done as f64;
    Ok(Sample {
        variant,
        case,
        per_second: count / window.seconds(),
        cpu_micros: used.proxy.as_secs_f64() * 1e6 / count,
        cores: used.proxy.as_secs_f64() / window.seconds(),
        p50: timed.percentile(0.5),
        p99: timed.percentile(0.99),
        errors: timed.errors,
        resident,
    })
}

/// Requests or events done in the window, and the times to report.
async fn drive(
    case: Case,
    even: SocketAddr,
    uneven: SocketAddr,
    window: Window,
) -> Result<(usize, Seen)> {
    let load = |address, connections, stream, every| Load {
        address,
        request: request::chat(stream),
        connections,
        every,
    };
    let seen = match case {
        Case::Requests | Case::Work => load::requests(load(even, 64, false, None), window).await,
        Case::UnevenWork => load::requests(load(uneven, 64, false, None), window).await,
        Case::Streams => load::streams(load(even, 300, true, None), window).await,
        Case::UnevenStreams => {
            let every = Some(Duration::from_millis(10));
            let (probe, streams) = tokio::join!(
                load::requests(load(uneven, 1, false, every), window),
                multiplexed::streams(uneven, 4, 75, window),
            );
            let streams = streams?;
            let errors = probe.errors + streams.errors;
            return Ok((streams.times.len(), Seen { errors, ..probe }));
        }
    };
    Ok((seen.times.len(), seen))
}

fn print(samples: &[Sample]) {
    println!(
        "| case | threads | per second | CPU µs each | cores | p50 ms | p99 ms | MiB | errors |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for case in CASES {
        for variant in VARIANTS {
            let show = |value: fn(&Sample) -> f64, decimals| {
                let chosen = samples.iter().filter(|s| s.variant == variant && s.case == case);
                Spread::of(chosen.map(value)).map_or_else(String::new, |s| s.show(decimals))
            };
            println!(
                "| {} | {variant} | {} | {} | {} | {} | {} | {} | {} |",
                case.name(),
                show(|sample| sample.per_second, 0),
                show(|sample| sample.cpu_micros, 1),
                show(|sample| sample.cores, 2),
                show(|sample| sample.p50.as_secs_f64() * 1e3, 2),
                show(|sample| sample.p99.as_secs_f64() * 1e3, 2),
                show(|sample| sample.resident, 1),
                show(|sample| f64::from(sample.errors), 0),
            );
        }
    }
}

impl Case {
    fn work_micros(self) -> u64 {
        if matches!(self, Self::Work | Self::UnevenWork) { 50 } else { 0 }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Requests => "2 KB requests, 64 connections",
            Self::Streams => "300 paced streams (gap between events)",
            Self::UnevenStreams => {
                "300 paced streams, 4 h2 connections, one thread (times: a short request beside)"
            }
            Self::Work => "2 KB requests with 50 µs of work, 64 connections",
            Self::UnevenWork => "the same, all connections on one thread",
        }
    }
}
