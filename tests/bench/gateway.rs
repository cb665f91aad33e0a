//! The benchmark: what the gateway costs beside a bare reverse proxy, as ratios.
//!
//! `make bench`, or `cargo bench --bench gateway -- --help`. Proxy, upstream and load generator
//! are processes of their own; with two cores the proxy has one for itself. Rounds interleave what
//! is compared, because on a shared machine the minutes differ more than the programs.

#![allow(clippy::print_stdout)]

mod baseline;
mod load;
mod process;
mod runtimes;
mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "gateway", about = "Measure the gateway beside a bare hyper reverse proxy")]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Rounds of each measurement; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
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
        None if arguments.runtimes => runtimes::compare(arguments.rounds),
        None => Ok(()),
    }
}
