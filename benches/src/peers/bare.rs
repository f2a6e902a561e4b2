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
    let mut shared =
        Shared { block: vec![0; READ_BYTES].into(), out: Vec::new(), spare: Vec::new() };
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
    /// How many of `bytes` have come.
    filled: usize,
    /// How many there will be, as far as is known.
    len: usize,
}

impl Partial {
    /// Keeps the begin of a frame, in a buffer with room for all of it.
    fn keep(&mut self, begin: &[u8], spare: &mut Vec<Vec<u8>>) -> io::Result<()> {
        if begin.is_empty() {
            spare.extend(Some(std::mem::take(self).bytes).filter(|bytes| !bytes.is_empty()));
            return Ok(());
        }
        self.filled = begin.len();
        self.len = frame_len(begin)?.unwrap_or(begin.len());
        if self.bytes.len() < self.len {
            spare.extend(Some(std::mem::take(&mut self.bytes)).filter(|bytes| !bytes.is_empty()));
            self.bytes = spare.pop().unwrap_or_default();
            let len = self.len.max(self.bytes.len());
            self.bytes.resize(len, 0);
        }
        self.bytes[..begin.len()].copy_from_slice(begin);
        Ok(())
    }
}

/// What each connection uses in its turn.
struct Shared {
    block: Box<[u8]>,
    out: Vec<u8>,
    /// Buffers that no frame is in.
    spare: Vec<Vec<u8>>,
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
            return self.write_stuck(epoll, token, shared);
        }
        let Shared { block, out, spare } = shared;
        let Partial { bytes, filled, len } = &mut self.partial;
        out.clear();
        if *len > *filled {
            *filled += receive(&mut self.stream, &mut bytes[*filled..*len])?;
            if *filled < *len {
                return Ok(());
            }
            reply(&bytes[..*len], out);
            spare.push(std::mem::take(&mut self.partial).bytes);
        } else {
            let kept = *filled;
            block[..kept].copy_from_slice(&bytes[..kept]);
            let read = receive(&mut self.stream, &mut block[kept..])?;
            let mut rest = &block[..kept + read];
            while let Some(len) = frame_len(rest)? {
                let Some((frame, behind)) = rest.split_at_checked(len) else { break };
                reply(frame, out);
                rest = behind;
            }
            self.partial.keep(rest, spare)?;
        }
        let sent = if out.is_empty() { 0 } else { send(&mut self.stream, out)? };
        if sent < out.len() {
            self.stuck = std::mem::replace(out, spare.pop().unwrap_or_default());
            self.sent = sent;
            self.watch(epoll, EpollFlags::EPOLLOUT, token)?;
        }
        Ok(())
    }

    fn write_stuck(&mut self, epoll: &Epoll, token: u64, shared: &mut Shared) -> io::Result<()> {
        self.sent += send(&mut self.stream, &self.stuck[self.sent..])?;
        if self.sent == self.stuck.len() {
            shared.spare.push(std::mem::take(&mut self.stuck));
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
