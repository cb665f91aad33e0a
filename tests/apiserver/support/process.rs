//! A child process that never outlives the tests.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

/// Runs a command beside a warden that passes on the signals it reads from its input and kills the
/// command when that input closes. The system closes it whenever this process ends, so nothing is
/// left running after a panic, an abort or Ctrl-C, and no shared server needs a last test to stop it.
const WARDEN: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- & child=$!
{ while read -r signal; do kill -s "$signal" $child; done; kill -s KILL $child; } <&3 2>/dev/null & warden=$!
exec 3<&-
wait $child 2>/dev/null
status=$?
kill $warden 2>/dev/null
exit $status
"#;

/// How much of a log goes into a panic message: enough for the last error of a verbose server.
const TAIL_LINES: usize = 40;

/// A running command whose output goes to a file.
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    shell: Child,
    signals: Option<ChildStdin>,
}

impl Process {
    /// Starts `program`; both output streams are appended to `log`.
    pub(crate) fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, String)],
        log: &Path,
    ) -> io::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let mut shell = Command::new("sh")
            .args(["-c", WARDEN, "sh"])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let signals = shell.stdin.take();
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into();
        Ok(Self { name, log: log.to_owned(), shell, signals })
    }

    /// How the command ended, or `None` while it runs.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().expect("a child that was started can be waited for")
    }

    /// Asks the command to end in its own time.
    pub(crate) fn terminate(&mut self) {
        self.signal("TERM");
    }

    fn signal(&mut self, name: &str) {
        if let Some(signals) = &mut self.signals {
            // It may have ended a moment ago, and the pipe with it.
            let _ = writeln!(signals, "{name}");
        }
    }

    /// Stops the command where it is, as a machine does that hangs.
    pub(crate) fn freeze(&mut self) {
        self.signal("STOP");
    }

    /// Lets a stopped command go on.
    pub(crate) fn thaw(&mut self) {
        self.signal("CONT");
    }

    /// Ends the command at once and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        drop(self.signals.take());
        let _ = self.shell.wait();
    }

    /// Everything that the command has printed.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of its output, for a message about what went wrong.
    pub(crate) fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        format!("--- last lines of {} ---\n{last}\n---", self.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}
