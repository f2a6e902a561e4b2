//! rustls alone: a loop over epoll on one thread, its sessions with buffers, no runtime.
//!
//! The measure of handshakes: what a server adds to them is the difference to this one. Handlers run in the loop.

use std::io::{self, ErrorKind::WouldBlock, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use netpoll::tls::rustls::{ServerConfig, ServerConnection};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::{Listen, Setup};
use crate::secure;
use crate::wire::{LENGTH_BYTES, SLEEP_MILLIS, asks_to_sleep, frame_len};

/// The listener's token; a connection's is its index.
const LISTENER: u64 = u64::MAX;

pub(super) fn serve(listen: Listen, _: Setup) -> io::Result<()> {
    let config = secure::server_config()?;
    let listener = listen.here()?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(listener.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let (mut conns, mut free) = (Vec::<Option<Conn>>::new(), Vec::new());
    let mut events = [EpollEvent::empty(); 512];
    loop {
        let count = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..count] {
            if event.data() != LISTENER {
                let index = event.data() as usize;
                let Some(conn) = &mut conns[index] else { continue };
                let turned = conn.turn().and_then(|()| conn.watch(&epoll, event.data()));
                if turned.is_err() {
                    conns[index] = None;
                    free.push(index);
                }
                continue;
            }
            while let Ok((socket, _)) = listener.accept() {
                let index = free.pop().unwrap_or_else(|| {
                    conns.push(None);
                    conns.len() - 1
                });
                let conn = Conn::new(socket, config.clone())?;
                epoll
                    .add(conn.socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
                conns[index] = Some(conn);
            }
        }
    }
}

struct Conn {
    socket: TcpStream,
    session: ServerConnection,
    /// Plain bytes of frames that are not whole.
    part: Vec<u8>,
    watches_writes: bool,
}

impl Conn {
    fn new(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
        session.set_buffer_limit(None);
        Ok(Self { socket, session, part: Vec::new(), watches_writes: false })
    }

    /// Reads until the socket has no more, answers the whole frames, and writes; an error is the end.
    fn turn(&mut self) -> io::Result<()> {
        self.write()?;
        loop {
            match self.session.read_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == WouldBlock => break,
                Err(error) => return Err(error),
            }
            let processed = self.session.process_new_packets();
            let state = match processed {
                Ok(state) => state,
                Err(error) => {
                    // The alert.
                    let _ = self.write();
                    return Err(io::Error::other(error));
                }
            };
            if state.peer_has_closed() {
                self.session.send_close_notify();
                self.write()?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match self.session.reader().read_to_end(&mut self.part) {
                Err(error) if error.kind() != WouldBlock => return Err(error),
                _ => {}
            }
        }
        self.answer()?;
        self.write()
    }

    fn answer(&mut self) -> io::Result<()> {
        let mut at = 0;
        while let Some(len) = frame_len(&self.part[at..])? {
            let Some(frame) = self.part.get(at..at + len) else { break };
            if asks_to_sleep(&frame[LENGTH_BYTES..]) {
                std::thread::sleep(Duration::from_millis(SLEEP_MILLIS));
            }
            at += len;
        }
        // The replies of a turn are sealed together.
        self.session.writer().write_all(&self.part[..at])?;
        self.part.drain(..at);
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Err(error) if error.kind() == WouldBlock => return Ok(()),
                written => written.map(drop)?,
            }
        }
        Ok(())
    }

    fn watch(&mut self, epoll: &Epoll, token: u64) -> io::Result<()> {
        let wants = self.session.wants_write();
        if wants != self.watches_writes {
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, wants);
            epoll.modify(self.socket.as_fd(), &mut EpollEvent::new(flags, token))?;
            self.watches_writes = wants;
        }
        Ok(())
    }
}
