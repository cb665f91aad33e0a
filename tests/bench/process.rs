//! Child processes: started on a chosen core, asked where they listen, metered through `/proc`.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

/// Tells the parent where a role listens: one line, addresses parted by spaces.
pub(crate) fn announce(addresses: &[SocketAddr]) {
    let line = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    println!("{line}");
    // The parent waits for the line; a pipe is block-buffered.
    let _ = std::io::stdout().flush();
}

/// Confines the calling thread, and every thread it starts later, to one core.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Pins this process and becomes `program`: threads inherit the core from their first instant.
pub(crate) fn become_pinned(core: usize, program: &str, arguments: &[String]) -> Result<()> {
    pin(core)?;
    Err(Command::new(program).args(arguments).exec())
}

/// A role of this benchmark in its own process; killed when dropped.
pub(crate) struct Role {
    child: Child,
    /// Where it listens; the first address is the one for ordinary load.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Role {
    /// Starts this same program with `arguments`, on `core` or on all of them.
    pub(crate) fn start(core: Option<usize>, arguments: &[String]) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = Command::new(&program);
        if let Some(core) = core {
            command.args(["pinned", &core.to_string()]).arg(&program);
        }
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Error::other("stdout is a pipe"))?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addresses = line
            .split_whitespace()
            .map(|address| address.parse().map_err(Error::other))
            .collect::<Result<Vec<_>>>()?;
        if addresses.is_empty() {
            return Err(Error::other(format!("`{}` did not start", arguments.join(" "))));
        }
        Ok(Self { child, addresses })
    }

    /// Starts another program on `core`, with its standard output going to `log`. It does not say
    /// where it listens: the caller told it.
    pub(crate) fn start_program(
        core: usize,
        program: &Path,
        arguments: &[String],
        log: File,
    ) -> Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["pinned", &core.to_string()])
            .arg(program)
            .args(arguments)
            .stdout(log)
            .spawn()?;
        Ok(Self { child, addresses: Vec::new() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time that a process has used so far, all threads.
///
/// The sum is exact to a clock tick (10 ms): the kernel samples only how it is split between user
/// and system, and scales both to the run time it measured. So only the sum is reported.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields 14 and 15 of proc_pid_stat(5); the name in field 2 may hold spaces.
    stat.rsplit_once(')')
        .map(|(_, rest)| from_ticks(rest.split_whitespace().skip(11).take(2)))
        .ok_or_else(|| Error::other("a stat line without a name"))?
}

/// Time that all cores together have been busy, with what the host took from a virtual machine.
pub(crate) fn machine_cpu_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    // proc_stat(5): user nice system idle iowait irq softirq steal.
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    from_ticks(fields.enumerate().filter(|(index, _)| !matches!(index, 3 | 4)).map(|(_, f)| f))
}

/// The sum of fields that are counted in clock ticks.
fn from_ticks<'t>(fields: impl Iterator<Item = &'t str>) -> Result<Duration> {
    let ticks =
        fields.map(|field| field.parse::<u64>().map_err(Error::other)).sum::<Result<u64>>()?;
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second());
    Ok(Duration::from_secs(ticks) / per_second.map_err(Error::other)?)
}

/// Resident memory of a process in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
        .map(|kibibytes: f64| kibibytes / 1024.0)
        .ok_or_else(|| Error::other("no VmRSS line"))
}
