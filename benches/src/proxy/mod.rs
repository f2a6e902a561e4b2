//! Proxies of bytes between the load and the server `bare`, which are measured by the same load as servers.

mod netpoll;
mod others;
mod tokio;

use std::io;
use std::net::{SocketAddr, TcpListener};

pub use others::announce;

use crate::peers;

/// A proxy that this program is, or becomes.
#[derive(Clone, Copy, Debug)]
pub struct Proxy {
    /// Its name on the command line.
    pub name: &'static str,
    /// A description, for the report.
    pub about: &'static str,
    /// The program that it becomes, which may be missing.
    needs: Option<&'static str>,
    /// The program announces its address by other means.
    announces: bool,
    /// Serves on a listener, until the process ends.
    serve: fn(TcpListener, SocketAddr) -> io::Result<()>,
}

/// All proxies but those written in Go.
pub const PROXIES: &[Proxy] = &[
    Proxy {
        name: "netpoll",
        about: "this project: a detached connection and copy_bidirectional, as the example proxy",
        needs: None,
        announces: false,
        serve: netpoll::serve,
    },
    Proxy {
        name: "tokio",
        about: "tokio's copy_bidirectional, a task for each connection",
        needs: None,
        announces: false,
        serve: tokio::serve,
    },
    Proxy {
        name: "haproxy",
        about: "haproxy, mode tcp",
        needs: Some("haproxy"),
        announces: false,
        serve: others::haproxy,
    },
    Proxy {
        name: "nginx",
        about: "nginx, module stream",
        needs: Some("nginx"),
        announces: true,
        serve: others::nginx,
    },
];

/// The proxy of that name.
pub fn find(name: &str) -> Option<&'static Proxy> {
    PROXIES.iter().find(|proxy| proxy.name == name)
}

impl Proxy {
    /// Returns why it cannot take part here, if that is so.
    pub fn is_missing(&self) -> Option<String> {
        let program = self.needs?;
        others::find(program).is_none().then(|| format!("{program} is not installed"))
    }

    /// Listens, prints `listening on ADDRESS`, and passes what comes on to `to` until its standard input
    /// ends, or the process is killed.
    ///
    /// # Errors
    /// The address cannot be used, or the proxy fails.
    pub fn run(&self, listen: SocketAddr, to: SocketAddr) -> io::Result<()> {
        peers::exit_with_stdin()?;
        let listener = peers::listen(listen)?;
        if !self.announces {
            peers::announce(listener.local_addr()?)?;
        }
        (self.serve)(listener, to)
    }
}
