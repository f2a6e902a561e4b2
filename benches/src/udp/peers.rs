//! The servers written in Rust, each on one thread.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use netpoll::{EventLoop, service::Free};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

use super::ECHO;
use crate::child::READY;

/// Messages that one call carries.
const BATCH: usize = 32;

/// The longest datagram.
const LONGEST: usize = 2_048;

/// A server of datagrams written in Rust.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name on the command line.
    pub name: &'static str,
    /// A description, for the report.
    pub about: &'static str,
    serve: fn(SocketAddr) -> io::Result<()>,
}

/// All servers of datagrams written in Rust.
pub const PEERS: &[Peer] = &[
    Peer { name: "netpoll", about: "this project, a function with its attribute", serve: netpoll },
    Peer { name: "bare", about: "a loop over recvfrom and sendto", serve: bare },
    Peer { name: "bare-mmsg", about: "a loop over recvmmsg and sendmmsg", serve: bare_mmsg },
    Peer { name: "tokio", about: "tokio's UdpSocket, one task", serve: tokio_udp },
];

/// The server of that name.
pub fn find(name: &str) -> Option<&'static Peer> {
    PEERS.iter().find(|peer| peer.name == name)
}

impl Peer {
    /// Says where it listens and serves until the process ends.
    ///
    /// # Errors
    /// It cannot listen there.
    pub fn run(&self, listen: SocketAddr) -> io::Result<()> {
        (self.serve)(listen)
    }
}

fn answered(datagram: &[u8]) -> bool {
    datagram.first() == Some(&ECHO)
}

#[netpoll::on_datagram]
fn echo(datagram: &[u8]) -> Option<&[u8]> {
    answered(datagram).then_some(datagram)
}

fn netpoll(listen: SocketAddr) -> io::Result<()> {
    let server = EventLoop::builder(Free::<echo>::new()).pollers(1);
    let server = server.listen(format!("udp://{listen}")).bind()?;
    println!("{READY}{}", server.addresses()[0].inet().expect("an address of IP"));
    server.serve()?;
    Ok(())
}

fn bind(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(listen)?;
    println!("{READY}{}", socket.local_addr()?);
    Ok(socket)
}

fn bare(listen: SocketAddr) -> io::Result<()> {
    let socket = bind(listen)?;
    let mut block = [0; LONGEST];
    loop {
        let (n, from) = socket.recv_from(&mut block)?;
        if answered(&block[..n]) {
            socket.send_to(&block[..n], from)?;
        }
    }
}

fn bare_mmsg(listen: SocketAddr) -> io::Result<()> {
    let socket = bind(listen)?;
    let mut blocks = vec![[0; LONGEST]; BATCH];
    let mut into = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut out = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    loop {
        let mut came: Vec<(usize, Option<SockaddrIn>)> = Vec::with_capacity(BATCH);
        {
            let mut slices: Vec<[IoSliceMut<'_>; 1]> =
                blocks.iter_mut().map(|block| [IoSliceMut::new(block)]).collect();
            let fd = socket.as_raw_fd();
            let flags = MsgFlags::MSG_WAITFORONE;
            let messages = recvmmsg(fd, &mut into, slices.iter_mut(), flags, None)?;
            came.extend(messages.map(|message| (message.bytes, message.address)));
        }
        let replies = came.iter().zip(&blocks).filter(|((n, _), block)| answered(&block[..*n]));
        let (slices, to): (Vec<_>, Vec<_>) =
            replies.map(|((n, from), block)| ([IoSlice::new(&block[..*n])], *from)).unzip();
        if slices.is_empty() {
            continue;
        }
        sendmmsg(socket.as_raw_fd(), &mut out, &slices, &to, [], MsgFlags::empty())?;
    }
}

fn tokio_udp(listen: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let socket = tokio::net::UdpSocket::from_std({
            let socket = bind(listen)?;
            socket.set_nonblocking(true)?;
            socket
        })?;
        let mut block = [0; LONGEST];
        loop {
            let (n, from) = socket.recv_from(&mut block).await?;
            if answered(&block[..n]) {
                socket.send_to(&block[..n], from).await?;
            }
        }
    })
}
