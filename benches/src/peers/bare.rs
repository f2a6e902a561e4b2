//! The limit: one thread, one epoll instance, no library.
//!
//! Handlers run in the loop, so one that sleeps holds up all connections.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::{Listen, Setup};
use crate::wire::{LENGTH_BYTES, SLEEP_MILLIS, asks_to_sleep, frame_len};

/// Bytes read by one call, where no long frame is on its way.
const READ_BYTES: usize = 64 << 10;
/// The listener's token; a connection's is its index.
const LISTENER: u64 = u64::MAX;

pub(super) fn serve(listen: Listen, _: Setup) -> io::Result<()> {
    let listener = listen.here()?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(listener.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut conns: Vec<Option<Conn>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut events = [EpollEvent::empty(); 512];
    let mut shared = Shared { block: vec![0; READ_BYTES].into(), out: Vec::new() };
    loop {
        let count = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..count] {
            if event.data() == LISTENER {
                accept(&listener, &epoll, &mut conns, &mut free)?;
                continue;
            }
            let index = event.data() as usize;
            let Some(conn) = &mut conns[index] else { continue };
            if conn.turn(&epoll, index as u64, &mut shared).is_err() {
                conns[index] = None;
                free.push(index);
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    epoll: &Epoll,
    conns: &mut Vec<Option<Conn>>,
    free: &mut Vec<usize>,
) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let index = free.pop().unwrap_or_else(|| {
            conns.push(None);
            conns.len() - 1
        });
        epoll.add(stream.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        conns[index] =
            Some(Conn { stream, partial: Partial::default(), stuck: Vec::new(), sent: 0 });
    }
}

/// A frame that is not wholly there.
#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    /// How many of `bytes` have come. Beyond that lies room for the frame's rest.
    filled: usize,
}

/// What each connection uses in its turn.
struct Shared {
    block: Box<[u8]>,
    out: Vec<u8>,
}

struct Conn {
    stream: TcpStream,
    partial: Partial,
    /// Replies that the socket did not take, of which the first `sent` bytes are gone by now.
    stuck: Vec<u8>,
    sent: usize,
}

impl Conn {
    /// Reads once, answers every whole frame, writes once. A connection whose output is stuck is
    /// not read.
    fn turn(&mut self, epoll: &Epoll, token: u64, shared: &mut Shared) -> io::Result<()> {
        if !self.stuck.is_empty() {
            return self.write_stuck(epoll, token);
        }
        let Shared { block, out } = shared;
        out.clear();
        if self.partial.bytes.len() > self.partial.filled {
            let read = receive(&mut self.stream, &mut self.partial.bytes[self.partial.filled..])?;
            self.partial.filled += read;
            if self.partial.filled < self.partial.bytes.len() {
                return Ok(());
            }
            reply(&self.partial.bytes, out);
            self.partial = Partial::default();
        } else {
            let kept = std::mem::take(&mut self.partial).bytes;
            block[..kept.len()].copy_from_slice(&kept);
            let read = receive(&mut self.stream, &mut block[kept.len()..])?;
            let mut rest = &block[..kept.len() + read];
            while let Some(len) = frame_len(rest)? {
                let Some((frame, behind)) = rest.split_at_checked(len) else { break };
                reply(frame, out);
                rest = behind;
            }
            self.keep(rest)?;
        }
        let sent = if out.is_empty() { 0 } else { send(&mut self.stream, out)? };
        if sent < out.len() {
            self.stuck = std::mem::take(out);
            self.sent = sent;
            self.watch(epoll, EpollFlags::EPOLLOUT, token)?;
        }
        Ok(())
    }

    fn keep(&mut self, rest: &[u8]) -> io::Result<()> {
        if !rest.is_empty() {
            let room = frame_len(rest)?.unwrap_or(rest.len());
            self.partial.bytes = Vec::with_capacity(room);
            self.partial.bytes.extend_from_slice(rest);
            self.partial.bytes.resize(room, 0);
            self.partial.filled = rest.len();
        }
        Ok(())
    }

    fn write_stuck(&mut self, epoll: &Epoll, token: u64) -> io::Result<()> {
        self.sent += send(&mut self.stream, &self.stuck[self.sent..])?;
        if self.sent == self.stuck.len() {
            self.stuck = Vec::new();
            self.watch(epoll, EpollFlags::EPOLLIN, token)?;
        }
        Ok(())
    }

    fn watch(&self, epoll: &Epoll, what: EpollFlags, token: u64) -> io::Result<()> {
        Ok(epoll.modify(self.stream.as_fd(), &mut EpollEvent::new(what, token))?)
    }
}

/// Writes what the socket takes, zero bytes if nothing.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// Reads what is there, zero bytes if nothing is.
fn receive(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// The handler: the reply is a copy of the request.
fn reply(frame: &[u8], out: &mut Vec<u8>) {
    if asks_to_sleep(&frame[LENGTH_BYTES..]) {
        std::thread::sleep(Duration::from_millis(SLEEP_MILLIS));
    }
    out.extend_from_slice(frame);
}
