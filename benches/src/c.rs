//! The peers written in C, built when they are asked for.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Servers written in C, and what they are.
pub const SERVERS: &[(&str, &str)] =
    &[("openssl", "OpenSSL over a loop over epoll on one thread, one write a turn")];

/// Builds the server written in C, beside this program; its path.
///
/// # Errors
/// Why there is none: no compiler, or no headers of OpenSSL's.
pub fn build() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/openssl.c");
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = own.with_file_name("netpoll-c-peers");
    eprintln!("building the peers written in C");
    let output = Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-o"])
        .arg(&program)
        .arg(&source)
        .args(["-lssl", "-lcrypto", "-lpthread"])
        .output()
        .map_err(|error| format!("no C compiler: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cc failed, is libssl-dev installed? {}", why.trim()));
    }
    Ok(program)
}
