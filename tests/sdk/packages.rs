//! The SDKs, installed once for every clone on this machine.
//!
//! They lie below `$XDG_CACHE_HOME/pilothouse` (`~/.cache/pilothouse`) in folders whose names follow
//! the pinned versions and the interpreter, so that neither can change without a new install.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::digest::{SHA256, digest};

/// The interpreter of a virtual environment that holds `requirements.txt`.
pub(crate) fn python(sources: &Path) -> Result<PathBuf, String> {
    let version = run(Command::new("python3").args(["-c", "import sys; print(sys.version)"]))?;
    let pinned = sources.join("requirements.txt");
    let folder = installed("python", &[version.as_bytes(), &read(&pinned)?], |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        run(Command::new(folder.join("bin/python")).args(install).arg(&pinned))
    })?;
    Ok(folder.join("bin/python"))
}

/// A folder with the sources of the packages of `suites/sources.txt`, each in its own.
pub(crate) fn suites(sources: &Path) -> Result<PathBuf, String> {
    let python = python(sources)?;
    let pinned = sources.join("suites/sources.txt");
    installed("suites", &[&read(&pinned)?], |folder| {
        let download = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check"];
        let as_source = ["--no-deps", "--no-binary", ":all:", "--requirement"];
        let mut pip = Command::new(&python);
        run(pip.args(download).args(as_source).arg(&pinned).arg("--dest").arg(folder))?;
        let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
        for archive in fs::read_dir(folder).map_err(unreadable)? {
            let archive = archive.map_err(unreadable)?.path();
            run(Command::new(&python).args(["-m", "tarfile", "-e"]).arg(archive).arg(folder))?;
        }
        Ok(String::new())
    })
}

/// The `node_modules` of `package-lock.json`.
pub(crate) fn node_modules(sources: &Path) -> Result<PathBuf, String> {
    let folder = installed_by_npm("node", sources, |_| Ok(String::new()))?;
    Ok(folder.join("node_modules"))
}

/// The programs of `agents/package-lock.json`.
pub(crate) fn agents(sources: &Path) -> Result<PathBuf, String> {
    let folder = installed_by_npm("agents", &sources.join("agents"), |folder| {
        // Puts the program of this platform in its place. npm may be told to run no scripts.
        let package = folder.join("node_modules/@anthropic-ai/claude-code");
        run(Command::new("node").arg("install.cjs").current_dir(package))
    })?;
    Ok(folder.join("node_modules/.bin"))
}

/// The folder with `node_modules` as the lock file in `sources` has them.
fn installed_by_npm(
    kind: &str,
    sources: &Path,
    finish: impl FnOnce(&Path) -> Result<String, String>,
) -> Result<PathBuf, String> {
    // Before the newest, 20 is the oldest that has the test runner's whole interface.
    let version = run(Command::new("node").arg("--version"))?;
    let (manifest, lock) = (sources.join("package.json"), sources.join("package-lock.json"));
    let inputs = [version.as_bytes(), &read(&manifest)?, &read(&lock)?];
    installed(kind, &inputs, |folder| {
        for file in [&manifest, &lock] {
            let name = file.file_name().expect("a file's path");
            let copied = fs::copy(file, folder.join(name));
            copied.map_err(|error| format!("{}: {error}", file.display()))?;
        }
        let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        run(Command::new("npm").args(install).current_dir(folder))?;
        finish(folder)
    })
}

/// The folder that `install` filled, on this or an earlier run.
fn installed(
    kind: &str,
    inputs: &[&[u8]],
    install: impl FnOnce(&Path) -> Result<String, String>,
) -> Result<PathBuf, String> {
    let hash = digest(&SHA256, &inputs.concat());
    let (head, _) = hash.as_ref().split_first_chunk().expect("SHA-256 has 32 bytes");
    let folder = cache()?.join(format!("sdk-{kind}-{:016x}", u64::from_be_bytes(*head)));
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;

    // Test binaries of two clones may come here at once.
    let lock = File::create(folder.with_extension("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    // Written last: a folder without it was left half done.
    let complete = folder.join(".complete");
    if !complete.exists() {
        fs::remove_dir_all(&folder).and_then(|()| fs::create_dir(&folder)).map_err(failed)?;
        install(&folder)?;
        fs::write(&complete, "").map_err(failed)?;
    }
    Ok(folder)
}

fn cache() -> Result<PathBuf, String> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("XDG_CACHE_HOME")
        .or_else(|| Some(named("HOME")?.join(".cache")))
        .map(|cache| cache.join("pilothouse"))
        .ok_or_else(|| "neither XDG_CACHE_HOME nor HOME is set".to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Standard output of a command, or what it complained of.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let shown = format!("`{name} {}`", arguments.join(" "));
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{shown} cannot be started: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("{shown} failed: {}", complaint.trim_end()))
    }
}
