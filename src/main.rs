//! The one binary: allocator, TLS provider, command line.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use pilothouse::cli::{Cli, Command};
use pilothouse::{api, app, balance, demo, simulate, validate};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        // Whoever reads our output has seen enough of it (`pilothouse crds | head`), and no complaint
        // would help.
        Err(error) if is_broken_pipe(&*error) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "pilothouse: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Serve(settings) => app::serve(&settings)?,
        Command::Demo(args) => demo::run(&args)?,
        Command::Simulate(args) => {
            app::runtime()?.block_on(simulate::run(args, app::interrupted()))?;
        }
        Command::Validate(args) => {
            let report = validate::run(&args, io::stdin())?;
            report.write(args.output, args.deny_warnings, &mut io::stdout().lock())?;
            let valid = report.is_valid(args.deny_warnings);
            return Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Crds => {
            let strategies: Vec<&str> = balance::registry::names().collect();
            for crd in api::crds(&strategies) {
                let text = serde_saphyr::to_string(&crd)?;
                write!(io::stdout(), "---\n{text}")?;
            }
        }
        Command::Completion { shell } => {
            // Not straight to the output: it panics where that cannot be written to.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pilothouse", &mut script);
            io::stdout().write_all(&script)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
