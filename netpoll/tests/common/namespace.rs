//! Tests that run again in a process with namespaces of their own.

use std::process::Command;

/// Set in the process that runs the test's body.
const INSIDE: &str = "NETPOLL_NAMESPACE";

/// True in the process that [`run`] starts.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs `test` again after `setup`, a shell's commands, in new namespaces (`flags` of `unshare`).
/// `needs` are the programs that the set-up calls. Without them or without the right to do this, the
/// test is skipped and says why; under CI it fails.
pub fn run(test: &str, flags: &[&str], needs: &[&str], setup: &str) {
    let probe = format!("for it in {}; do command -v $it || exit 1; done", needs.join(" "));
    let probe = Command::new("unshare").args(flags).args(["sh", "-c", &probe]).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        let why = match probe {
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        let why = format!("skipped: needs root, `unshare` and {needs:?}: {why}");
        assert!(std::env::var_os("CI").is_none(), "{why}, and CI is set");
        println!("{why}");
        return;
    }
    let script = format!("{setup} && exec \"$0\" --exact \"$1\" --nocapture");
    let output = Command::new("unshare")
        .args(flags)
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
