//! The peers written in Go, built when they are asked for.

use std::path::PathBuf;
use std::process::Command;

use crate::built;

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

/// Proxies written in Go, and what they are.
pub const PROXIES: &[(&str, &str)] = &[("go-net", "Go's net, io.Copy in two goroutines")];

/// Builds the program that holds all peers written in Go, beside this program; its path.
///
/// # Errors
/// Why there is none: no toolchain, or it does not build.
pub fn build() -> Result<PathBuf, String> {
    eprintln!("building the peers written in Go");
    built::beside("netpoll-go-peers", Command::new("go").args(["build", "-C", "go"]), &["."])
}
