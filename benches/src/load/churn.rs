//! The load generator that opens a connection for each request.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, Socket, Type};

use super::window::Window;
use crate::secure::Stream;
use crate::wire::{Request, Tag};

/// A connection on its way: connect, send, receive, close.
#[derive(Debug)]
struct Trip {
    stream: Stream,
    started: Instant,
    sent: usize,
    received: usize,
}

/// As [`super::Load`], with a connection for each request. A latency runs from before the connect
/// to the reply.
///
/// Connections to a loopback address come from many loopback addresses in turn, so that ports which
/// wait out their time after a close do not run short.
#[derive(Debug)]
pub struct Churn {
    epoll: Epoll,
    addr: SocketAddr,
    request: Request,
    trips: Vec<Option<Trip>>,
    window: Window,
    next_source: u32,
    refill: bool,
    tls: bool,
    buffer: Box<[u8]>,
}

impl Churn {
    /// A generator with `width` connections on their way at any time, over TLS where `tls` says so: then a
    /// latency has the handshake in it.
    ///
    /// # Errors
    /// A payload of `size` bytes cannot be sent, or there is no selector.
    pub fn new(addr: SocketAddr, width: usize, size: usize, tls: bool) -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            addr,
            request: Request::new(size)?,
            trips: (0..width).map(|_| None).collect(),
            window: Window::default(),
            next_source: 0,
            refill: true,
            tls,
            buffer: vec![0; super::READ_BYTES].into(),
        })
    }

    /// Begins all connections.
    ///
    /// # Errors
    /// None could be made.
    pub fn start(&mut self) -> io::Result<()> {
        for index in 0..self.trips.len() {
            self.begin(index)?;
        }
        Ok(())
    }

    /// Drives the load until `deadline`.
    ///
    /// # Errors
    /// The selector fails, or no connection can be made.
    pub fn run_until(&mut self, deadline: Instant) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 128];
        loop {
            let now = Instant::now();
            if now >= deadline || self.trips.iter().all(Option::is_none) {
                return Ok(());
            }
            let left = (deadline - now).as_millis().min(100) as u16 + 1;
            let count = match self.epoll.wait(&mut events, EpollTimeout::from(left)) {
                Ok(count) => count,
                Err(nix::Error::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            for event in &events[..count] {
                self.turn(event.data() as usize)?;
            }
        }
    }

    /// Ends the load: waits for connections on their way for up to `patience`.
    ///
    /// # Errors
    /// The selector fails.
    pub fn drain(&mut self, patience: Duration) -> io::Result<()> {
        self.refill = false;
        self.run_until(Instant::now() + patience)?;
        self.window.errors.lost += self.trips.iter().flatten().count() as u64;
        Ok(())
    }

    /// What happened since the window was last taken.
    pub fn take_window(&mut self) -> Window {
        std::mem::take(&mut self.window)
    }

    fn begin(&mut self, index: usize) -> io::Result<()> {
        let started = Instant::now();
        let domain = Domain::for_address(self.addr);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        if self.addr.is_ipv4() && self.addr.ip().is_loopback() {
            let source = Ipv4Addr::from(0x7f00_0002 + self.next_source % 200);
            self.next_source += 1;
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&self.addr.into()) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => {
                return Err(error);
            }
            _ => {}
        }
        let stream = TcpStream::from(socket);
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        self.epoll.add(stream.as_fd(), EpollEvent::new(flags, index as u64))?;
        let stream = Stream::new(stream, self.tls)?;
        self.trips[index] = Some(Trip { stream, started, sent: 0, received: 0 });
        Ok(())
    }

    fn turn(&mut self, index: usize) -> io::Result<()> {
        let Some(trip) = &mut self.trips[index] else { return Ok(()) };
        match trip.advance(&mut self.request, &mut self.buffer) {
            Ok(false) => return Ok(()),
            Ok(true) => self.window.record(trip.started.elapsed(), false),
            Err(error) => {
                self.window.errors.count(&error);
                self.window.errors.lost += 1;
            }
        }
        self.trips[index] = None;
        if self.refill { self.begin(index) } else { Ok(()) }
    }
}

impl Trip {
    /// Goes as far as the socket lets it; true when the reply is there.
    fn advance(&mut self, request: &mut Request, buffer: &mut [u8]) -> io::Result<bool> {
        let frame = request.with_tag(Tag::default());
        while self.sent < frame.len() {
            match self.stream.write(&frame[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            let at = self.received;
            if frame.get(at..at + read) != Some(&buffer[..read]) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the reply differs"));
            }
            self.received += read;
            if self.received == frame.len() {
                self.stream.end();
                return Ok(true);
            }
        }
    }
}
