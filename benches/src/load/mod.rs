//! The load generator: one thread, one epoll instance, a closed loop.
//!
//! Each connection that is not idle keeps [`Case::depth`] requests in flight: a reply that has come
//! and been verified, byte for byte, is followed by the next request at once. A latency runs from
//! just before the request is handed to the kernel until the read that brought the reply's end has
//! returned. The loop is closed, so a slow server also slows the load; the latencies are those of
//! a caller that waits for its replies, not of requests that come at a fixed rate.
//!
//! [`Load`] drives connections that stay; [`churn::Churn`] opens one for each request.

pub mod churn;
mod conn;
pub mod window;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::case::Case;
use crate::secure::Stream;
use crate::wire::{Request, Tag};
use conn::Conn;
pub use window::Window;

/// Bytes read by one call at most.
const READ_BYTES: usize = 256 << 10;
/// Frames shorter than this are gathered into one write.
const GATHER_BYTES: usize = 64 << 10;
/// Events taken from the kernel at a time.
const EVENTS: usize = 512;
/// How long an idle connection's one call may take.
const FIRST_CALL: Duration = Duration::from_secs(5);

/// The load generator on connections that stay.
#[derive(Debug)]
pub struct Load {
    epoll: Epoll,
    conns: Vec<Conn>,
    /// Held open, silent after their one call.
    idle: Vec<Stream>,
    request: Request,
    slow: Coin,
    window: Window,
    read_buffer: Box<[u8]>,
    write_buffer: Vec<u8>,
    finished: Vec<usize>,
    /// Whether a reply is followed by another request.
    refill: bool,
    in_flight: usize,
}

impl Load {
    /// Connects to a server; nothing is sent yet but the idle connections' one call.
    ///
    /// # Errors
    /// The server cannot be reached, or an idle connection's call fails.
    pub fn connect(addr: SocketAddr, case: &Case) -> io::Result<Self> {
        let mut request = Request::new(case.size)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut idle = Vec::with_capacity(case.idle);
        for _ in 0..case.idle {
            let mut stream = Stream::new(TcpStream::connect(addr)?, case.tls)?;
            call_once(&mut stream, &mut request)?;
            idle.push(stream);
        }
        let mut conns = Vec::new();
        for index in 0..case.conns.saturating_sub(case.idle) {
            let mut stream = Stream::new(TcpStream::connect(addr)?, case.tls)?;
            stream.tcp().set_nodelay(true)?;
            stream.shake()?;
            stream.tcp().set_nonblocking(true)?;
            epoll.add(stream.tcp().as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            conns.push(Conn::new(stream, case.depth, !case.side_by_side()));
        }
        Ok(Self {
            epoll,
            conns,
            idle,
            request,
            slow: Coin::new(case.slow_percent),
            window: Window::default(),
            read_buffer: vec![0; READ_BYTES].into(),
            write_buffer: Vec::with_capacity(2 * GATHER_BYTES),
            finished: Vec::new(),
            refill: true,
            in_flight: 0,
        })
    }

    /// Sends the first requests of all connections.
    pub fn start(&mut self) {
        for index in 0..self.conns.len() {
            self.finished.clear();
            self.finished.extend(0..self.conns[index].depth());
            self.issue(index, Instant::now());
        }
    }

    /// Drives the load until `deadline`, or until no connection is left.
    ///
    /// # Errors
    /// The selector fails.
    pub fn run_until(&mut self, deadline: Instant) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let now = Instant::now();
            let done = !self.refill && self.in_flight == 0;
            if now >= deadline || done || self.conns.iter().all(Conn::is_closed) {
                return Ok(());
            }
            let left = (deadline - now).as_millis().min(100) as u16 + 1;
            let count = match self.epoll.wait(&mut events, EpollTimeout::from(left)) {
                Ok(count) => count,
                Err(nix::Error::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            for event in &events[..count] {
                self.turn(event.data() as usize, event.events());
            }
        }
    }

    /// Ends the load: takes the replies that are still owed for up to `patience`. Those that do not
    /// come are counted as lost.
    ///
    /// # Errors
    /// The selector fails.
    pub fn drain(&mut self, patience: Duration) -> io::Result<()> {
        self.refill = false;
        self.run_until(Instant::now() + patience)?;
        self.window.errors.lost += self.in_flight as u64;
        Ok(())
    }

    /// What happened since the window was last taken.
    pub fn take_window(&mut self) -> Window {
        std::mem::take(&mut self.window)
    }

    /// Connections that are open, the idle ones among them.
    pub fn open_conns(&self) -> usize {
        self.idle.len() + self.conns.iter().filter(|conn| !conn.is_closed()).count()
    }

    fn turn(&mut self, index: usize, ready: EpollFlags) {
        if self.conns[index].is_closed() {
            return;
        }
        let result = if ready.intersects(!EpollFlags::EPOLLOUT) {
            self.receive(index).and_then(|()| self.flush(index))
        } else {
            self.flush(index)
        };
        if let Err(error) = result {
            self.fail(index, &error);
        }
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let conn = &mut self.conns[index];
        let read = match conn.stream().read(&mut self.read_buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let now = Instant::now();
        self.finished.clear();
        let checked = conn.check(&self.read_buffer[..read], &self.request, &mut self.finished);
        for &slot in &self.finished {
            let (started, tag) = conn.finished(slot);
            self.window.record(now - started, tag.slow);
        }
        self.in_flight -= self.finished.len();
        checked?;
        if self.refill {
            self.queue(index, now);
        }
        Ok(())
    }

    fn issue(&mut self, index: usize, now: Instant) {
        self.queue(index, now);
        if let Err(error) = self.flush(index) {
            self.fail(index, &error);
        }
    }

    /// Makes the next request of each finished slot.
    fn queue(&mut self, index: usize, now: Instant) {
        for &slot in &self.finished {
            self.conns[index].begin(slot, self.slow.toss(), now);
        }
        self.in_flight += self.finished.len();
    }

    /// Writes what is queued, as far as the socket takes it.
    fn flush(&mut self, index: usize) -> io::Result<()> {
        let conn = &mut self.conns[index];
        let frame_len = self.request.frame_len();
        match conn.stream().flush_records() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return self.want_write(index, true);
            }
            flushed => flushed?,
        }
        while let Some(first) = conn.first_unsent() {
            let offset = conn.unsent_offset();
            let bytes = if frame_len >= GATHER_BYTES || conn.unsent().len() == 1 {
                &self.request.with_tag(first)[offset..]
            } else {
                self.write_buffer.clear();
                for &tag in conn.unsent().iter().take(GATHER_BYTES.div_ceil(frame_len)) {
                    self.write_buffer.extend_from_slice(self.request.with_tag(tag));
                }
                &self.write_buffer[offset..]
            };
            let wanted = bytes.len();
            match conn.stream().write(bytes) {
                Ok(written) => {
                    conn.sent(written, frame_len);
                    if written < wanted {
                        return self.want_write(index, true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.want_write(index, true);
                }
                Err(error) => return Err(error),
            }
        }
        let stuck = conn.stream().flush_records();
        match stuck {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.want_write(index, true),
            stuck => stuck.and_then(|()| self.want_write(index, false)),
        }
    }

    fn want_write(&mut self, index: usize, wanted: bool) -> io::Result<()> {
        let conn = &mut self.conns[index];
        if conn.wants_write != wanted {
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, wanted);
            let mut event = EpollEvent::new(flags, index as u64);
            self.epoll.modify(conn.stream().tcp().as_fd(), &mut event)?;
            conn.wants_write = wanted;
        }
        Ok(())
    }

    /// A connection that failed is closed and not opened again; its requests are lost.
    fn fail(&mut self, index: usize, error: &io::Error) {
        let conn = &mut self.conns[index];
        let lost = conn.waiting();
        self.in_flight -= lost;
        self.window.errors.lost += lost as u64;
        self.window.errors.count(error);
        conn.close();
    }
}

/// One call on a connection of its own, blocking.
fn call_once(stream: &mut Stream, request: &mut Request) -> io::Result<()> {
    stream.tcp().set_nodelay(true)?;
    stream.tcp().set_read_timeout(Some(FIRST_CALL))?;
    let frame = request.with_tag(Tag::default());
    stream.write_all(frame)?;
    let mut reply = vec![0; frame.len()];
    stream.read_exact(&mut reply)?;
    if reply != frame {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the reply differs"));
    }
    Ok(())
}

/// Decides which requests are slow, by chance but the same in each run.
#[derive(Debug)]
struct Coin {
    below: u32,
    state: u32,
}

impl Coin {
    fn new(percent: f64) -> Self {
        let share = (percent / 100.0).clamp(0.0, 1.0);
        Self { below: (share * f64::from(u32::MAX)) as u32, state: 0x2545_f491 }
    }

    fn toss(&mut self) -> bool {
        if self.below == 0 {
            return false;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state <= self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coin_keeps_its_share() {
        let mut coin = Coin::new(1.0);
        let slow = (0..1_000_000).filter(|_| coin.toss()).count();
        assert!((9_000..11_000).contains(&slow), "{slow} of 1,000,000");
        assert!((0..1_000).all(|_| !Coin::new(0.0).toss()));
    }
}
