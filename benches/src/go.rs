//! The peers written in Go, built when they are asked for.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Servers written in Go, and what they are.
pub const SERVERS: &[(&str, &str)] = &[
    ("go-net", "Go's net, a goroutine for each connection"),
    ("go-netpoll", "CloudWeGo Netpoll"),
    ("go-gnet", "gnet v2"),
];

/// Of the servers those that speak TLS too.
pub const SECURE_SERVERS: &[(&str, &str)] = &[("go-net", "Go's net under crypto/tls")];

/// Clients written in Go, and what they are.
pub const CLIENTS: &[(&str, &str)] =
    &[("go-net", "Go's net"), ("go-netpoll", "CloudWeGo Netpoll, ShardQueue")];

/// Builds the program that holds all peers written in Go, beside this program; its path.
///
/// # Errors
/// Why there is none: no toolchain, or it does not build.
pub fn build() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = own.with_file_name("netpoll-go-peers");
    eprintln!("building the peers written in Go");
    let output = Command::new("go")
        .current_dir(&source)
        .arg("build")
        .arg("-o")
        .arg(&program)
        .arg(".")
        .output()
        .map_err(|error| format!("no Go toolchain: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("go build failed: {}", why.trim()));
    }
    Ok(program)
}
