//! A network that holds nothing but loopback, so that a program that calls home finds nobody.

use std::env;
use std::process::Stdio;

use tokio::process::Command;

/// Set in a process that has such a network.
const OWN: &str = "PILOTHOUSE_OWN_NETWORK";

/// In a new network loopback is down, and not every machine has `ip`: SIOCSIFFLAGS with IFF_UP.
const LOOPBACK_UP: &str = "import fcntl, socket, struct; \
    fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 1))";

/// A port where nobody listens, by its definition (RFC 863 is not served any more).
const NOBODY: &str = "http://127.0.0.1:9";

/// Runs `test`, which calls this, once more in a network of its own, and is true when that was done.
/// It is false in that network, and where the system gives us none.
pub(crate) async fn ran_elsewhere(test: &str) -> bool {
    if env::var_os(OWN).is_some() {
        return false;
    }
    let inside = ["--net", "--map-root-user", "sh", "-c"];
    let up = format!("python3 -c \"{LOOPBACK_UP}\" && exec \"$@\"");
    let mut probe = Command::new("unshare");
    probe.args(inside).args([&up, "sh", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().await.is_ok_and(|status| status.success()) {
        return false;
    }
    let output = Command::new("unshare")
        .args(inside)
        .args([&up, "sh"])
        .arg(env::current_exe().expect("the path of this test"))
        .args([test, "--exact", "--nocapture"])
        .env(OWN, "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("it could be started before");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // A name that is none of a test's would pass too.
    let ran = output.status.success() && said.contains("1 passed");
    assert!(ran, "{test} failed in a network of its own:\n{said}");
    println!("{said}");
    true
}

/// Where the network is not our own, what is not on this machine is asked of a proxy that is not
/// there.
pub(crate) fn confine(command: &mut Command) {
    if env::var_os(OWN).is_none() {
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(name, NOBODY).env(name.to_ascii_lowercase(), NOBODY);
        }
        for name in ["NO_PROXY", "no_proxy"] {
            command.env(name, "127.0.0.1,localhost");
        }
    }
}
