//! The benchmark: what the gateway costs beside a bare reverse proxy, as ratios.
//!
//! `make bench`, or `cargo bench --bench gateway -- --help`. Proxy, upstream and load generator
//! are processes of their own; with two cores the proxy has one for itself. Rounds interleave what
//! is compared, because on a shared machine the minutes differ more than the programs.

#![allow(clippy::print_stdout)]

mod baseline;
mod compare;
mod figure;
mod load;
mod meter;
mod process;
mod report;
mod runtimes;
mod spread;
mod subject;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::compare::Plan;
use crate::report::Report;

#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(name = "gateway", about = "Measure the gateway beside a bare hyper reverse proxy")]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Rounds of each measurement; the median counts [default: 5, or 2 with --quick].
    #[arg(long)]
    rounds: Option<usize>,
    /// Measure for one second where otherwise for three: enough to see that all works.
    #[arg(long)]
    quick: bool,
    /// Print JSON to standard output; the table goes to standard error.
    #[arg(long)]
    json: bool,
    /// Measure the baseline against itself: how far from 1.00 the ratios come out is the noise.
    #[arg(long)]
    self_check: bool,
    /// The gateway's program.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_pilothouse"))]
    gateway: PathBuf,
    /// Compare the baseline's three ways of using threads, and nothing else.
    #[arg(long)]
    runtimes: bool,
    /// Passed by `cargo bench`; means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What this program is when it starts itself.
#[derive(Subcommand)]
#[command(hide = true)]
enum Role {
    /// The bare reverse proxy.
    #[command(hide = true)]
    Baseline {
        upstream: SocketAddr,
        #[arg(long, value_enum, default_value = "single")]
        threads: baseline::Threads,
        #[arg(long, default_value_t = 2)]
        workers: usize,
        /// Microseconds to keep the core busy for each request.
        #[arg(long, default_value_t = 0)]
        work_micros: u64,
    },
    /// The provider behind the proxies.
    #[command(hide = true)]
    Upstream(upstream::Pace),
    /// Becomes another program on one core.
    #[command(hide = true)]
    Pinned {
        core: usize,
        program: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Baseline { upstream, threads, workers, work_micros }) => {
            let work = Duration::from_micros(work_micros);
            baseline::run(threads, workers, baseline::Target { upstream, work })
        }
        Some(Role::Upstream(pace)) => upstream::run(pace),
        Some(Role::Pinned { core, program, arguments }) => {
            process::become_pinned(core, &program, &arguments)
        }
        None if arguments.runtimes => runtimes::compare(arguments.rounds.unwrap_or(4)),
        None => compare(arguments),
    }
}

fn compare(arguments: Arguments) -> std::io::Result<()> {
    let seconds = if arguments.quick { 1 } else { 3 };
    let samples = compare::run(&Plan {
        rounds: arguments.rounds.unwrap_or(if arguments.quick { 2 } else { 5 }).max(1),
        length: Duration::from_secs(seconds),
        warm_up: Duration::from_secs(1),
        tries: if arguments.quick { 1 } else { 3 },
        gateway: Some(arguments.gateway).filter(|_| !arguments.self_check),
    })?;
    let report = Report::new(&samples, arguments.self_check);
    if arguments.json {
        eprintln!("{report}");
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    if report.errors() > 0 {
        return Err(std::io::Error::other("requests failed: the figures are not to be trusted"));
    }
    Ok(())
}
