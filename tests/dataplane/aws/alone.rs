//! A test in a process of its own.

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

/// Says to the second process that it is the second.
const INSIDE: &str = "PILOTHOUSE_TEST_INSIDE";

/// Far longer than any of them takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A test that is run once more, in a process with an environment of its own: nothing of this one's,
/// no profile, and no instance to ask.
pub struct Alone {
    command: Command,
    home: TempDir,
}

impl Alone {
    /// Whether this is the second process.
    pub fn inside() -> Option<()> {
        std::env::var_os(INSIDE).map(drop)
    }

    /// The test of that name.
    pub fn new(test: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture"]).env_clear().stdin(Stdio::null());
        command.envs([(INSIDE, "1"), ("AWS_EC2_METADATA_DISABLED", "true")]);
        command.env("HOME", home.path()).kill_on_drop(true);
        Self { command, home }
    }

    /// With a file in its home.
    pub fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.home.path().join(name), text).unwrap();
        self
    }

    /// Where that file is.
    pub fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    /// With these variables.
    pub fn env<'a>(mut self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.command.envs(variables);
        self
    }

    /// Runs it.
    pub async fn run(mut self) {
        let output = tokio::time::timeout(PATIENCE, self.command.output()).await;
        let output = output.expect("it ends in time").unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let told = format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{told}");
        assert!(text.contains("1 passed"), "no such test: {told}");
    }
}
