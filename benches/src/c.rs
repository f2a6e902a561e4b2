//! The peers written in C, built when they are asked for.

use std::path::PathBuf;
use std::process::Command;

use crate::built;

/// Servers written in C, and what they are.
pub const SERVERS: &[(&str, &str)] =
    &[("openssl", "OpenSSL over a loop over epoll on one thread, one write a turn")];

/// Builds the server written in C, beside this program; its path.
///
/// # Errors
/// Why there is none: no compiler, or no headers of OpenSSL's.
pub fn build() -> Result<PathBuf, String> {
    eprintln!("building the peers written in C");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-Wall", "-Wextra"]);
    built::beside("netpoll-c-peers", &mut compiler, &["c/openssl.c", "-lssl", "-lcrypto"])
        .map_err(|why| format!("{why}; libssl-dev has the headers of OpenSSL"))
}
