//! The servers written in Rust. Each echoes frames by the same rules.
//!
//! A whole frame must be there before its reply begins; the reply is not the request's buffer; a
//! request that asks for it makes the handler sleep, in the way that is natural to the peer. With
//! [`Setup::side_by_side`] the handlers of one connection must not run in series, and replies may
//! come in any order.

mod bare;
#[cfg(feature = "compio")]
mod compio;
#[cfg(any(feature = "compio", feature = "monoio"))]
mod inbox;
mod may;
#[cfg(feature = "monoio")]
mod monoio;
mod netpoll_hand;
mod netpoll_macros;
mod rustls;
mod tokio;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

pub use netpoll_macros::serve_at;

/// How a peer is to serve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// The handlers of one connection run side by side.
    pub side_by_side: bool,
    /// The connections are over TLS, by [`secure::identity`](crate::secure::identity).
    pub tls: bool,
}

/// A peer's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Plain,
    PlainAndTls,
    Tls,
}

/// A server written in Rust.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name on the command line.
    pub name: &'static str,
    /// A description, for the report.
    pub about: &'static str,
    speaks: Speaks,
    /// Announces its address and serves until the process ends.
    serve: fn(Listen, Setup) -> io::Result<()>,
}

/// All servers written in Rust.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "netpoll",
        about: "this project, a frame and a function with its attributes",
        speaks: Speaks::PlainAndTls,
        serve: netpoll_macros::serve,
    },
    Peer {
        name: "netpoll-hand",
        about: "this project, its traits written by hand",
        speaks: Speaks::PlainAndTls,
        serve: netpoll_hand::serve,
    },
    Peer {
        name: "bare",
        about: "a loop over epoll on one thread that writes once a turn: the limit",
        speaks: Speaks::Plain,
        serve: bare::serve,
    },
    Peer {
        name: "tokio",
        about: "tokio, LengthDelimitedCodec, a flush for each reply",
        speaks: Speaks::PlainAndTls,
        serve: tokio::serve,
    },
    Peer {
        name: "tokio-batched",
        about: "tokio, LengthDelimitedCodec, a flush when no other reply is ready",
        speaks: Speaks::PlainAndTls,
        serve: tokio::serve_batched,
    },
    Peer {
        name: "rustls",
        about: "rustls alone, a loop over epoll on one thread",
        speaks: Speaks::Tls,
        serve: rustls::serve,
    },
    Peer {
        name: "may",
        about: "may, coroutines in blocking style",
        speaks: Speaks::Plain,
        serve: may::serve,
    },
    #[cfg(feature = "monoio")]
    Peer {
        name: "monoio",
        about: "monoio on io_uring",
        speaks: Speaks::Plain,
        serve: monoio::serve,
    },
    #[cfg(feature = "compio")]
    Peer {
        name: "compio",
        about: "compio on io_uring",
        speaks: Speaks::Plain,
        serve: compio::serve,
    },
];

/// The peer of that name.
pub fn find(name: &str) -> Option<&'static Peer> {
    PEERS.iter().find(|peer| peer.name == name)
}

impl Peer {
    /// Returns true if its connections can be over TLS, or without it where `tls` is false.
    pub fn suits(&self, tls: bool) -> bool {
        self.speaks == Speaks::PlainAndTls || (self.speaks == Speaks::Tls) == tls
    }

    /// Listens, prints `listening on ADDRESS`, and serves until its standard input ends.
    ///
    /// # Errors
    /// The address cannot be used, or the server fails.
    pub fn run(&self, addr: SocketAddr, setup: Setup) -> io::Result<()> {
        if !self.suits(setup.tls) {
            let what = if setup.tls { "no TLS" } else { "TLS alone" };
            return Err(io::Error::other(format!("{} speaks {what}", self.name)));
        }
        exit_with_stdin()?;
        (self.serve)(Listen { addr }, setup)
    }
}

/// Where a peer is to listen.
struct Listen {
    addr: SocketAddr,
}

impl Listen {
    /// A socket that listens there, announced.
    fn here(self) -> io::Result<TcpListener> {
        let listener = listen(self.addr)?;
        announce(listener.local_addr()?)?;
        Ok(listener)
    }
}

/// A socket that listens at `addr`.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(4_096)?;
    Ok(TcpListener::from(socket))
}

/// Tells whoever started this process where it listens.
pub(crate) fn announce(addr: SocketAddr) -> io::Result<()> {
    println!("{}{addr}", crate::child::READY);
    io::stdout().flush()
}

/// Ends the process when its standard input does, so that a peer does not outlive its runner.
pub(crate) fn exit_with_stdin() -> io::Result<()> {
    let watch = || {
        let mut byte = [0];
        while matches!(io::stdin().lock().read(&mut byte), Ok(1)) {}
        std::process::exit(0);
    };
    std::thread::Builder::new().name("stdin".into()).stack_size(64 << 10).spawn(watch)?;
    Ok(())
}
