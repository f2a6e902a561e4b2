//! The servers written in Rust. Each echoes frames by the same rules.
//!
//! A whole frame must be there before its reply begins; the reply is not the request's buffer; a
//! request that asks for it makes the handler sleep, in the way that is natural to the peer. With
//! [`Setup::side_by_side`] the handlers of one connection must not run in series, and replies may
//! come in any order.

mod bare;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// How a peer is to serve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// The handlers of one connection run side by side.
    pub side_by_side: bool,
}

/// A server written in Rust.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Serves until the process ends.
    serve: fn(TcpListener, Setup) -> io::Result<()>,
}

/// All servers written in Rust.
pub const PEERS: &[Peer] = &[Peer {
    name: "bare",
    about: "a loop over epoll on one thread that writes once a turn: the limit",
    serve: bare::serve,
}];

/// The peer of that name.
pub fn find(name: &str) -> Option<&'static Peer> {
    PEERS.iter().find(|peer| peer.name == name)
}

impl Peer {
    /// Listens, prints `listening on ADDRESS`, and serves until its standard input ends.
    ///
    /// # Errors
    /// The address cannot be used, or the server fails.
    pub fn run(&self, addr: SocketAddr, setup: Setup) -> io::Result<()> {
        let listener = listen(addr)?;
        println!("listening on {}", listener.local_addr()?);
        io::stdout().flush()?;
        exit_with_stdin()?;
        (self.serve)(listener, setup)
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(4_096)?;
    Ok(socket.into())
}

/// Ends the process when its standard input does, so that a peer does not outlive its runner.
fn exit_with_stdin() -> io::Result<()> {
    let watch = || {
        let mut byte = [0];
        while matches!(io::stdin().lock().read(&mut byte), Ok(1)) {}
        std::process::exit(0);
    };
    std::thread::Builder::new().name("stdin".into()).stack_size(64 << 10).spawn(watch)?;
    Ok(())
}
