//! A client or peer of std's: over a socket, plain or over TLS.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::Mutex;
use socket2::Socket;

use super::over::Session;

/// A blocking stream over a socket. Over TLS, too, one thread may read while another writes; the last of the
/// clones that is dropped says the last word.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    socket: Socket,
    session: Option<Mutex<Session>>,
    /// Held from sealing to writing, so that records leave in their order.
    writing: Mutex<()>,
    ended: AtomicBool,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(address)?.into())
    }

    /// Connects over TLS, whether the tests run over it or not.
    #[cfg(feature = "tls")]
    pub fn secure(address: SocketAddr) -> io::Result<Self> {
        Self::shaken(TcpStream::connect(address)?.into(), Some(Session::always()))
    }

    /// A client on a socket that is connected.
    pub fn over_unix(socket: UnixStream) -> io::Result<Self> {
        Self::over(socket.into())
    }

    fn over(socket: OwnedFd) -> io::Result<Self> {
        Self::shaken(socket.into(), Session::client())
    }

    /// The server's end of a socket that was accepted.
    pub fn accepted(socket: TcpStream) -> io::Result<Self> {
        Self::shaken(socket.into(), Session::server())
    }

    fn shaken(socket: Socket, mut session: Option<Session>) -> io::Result<Self> {
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        if let Some(session) = &mut session {
            session.shake(&mut &socket)?;
        }
        let (session, writing) = (session.map(Mutex::new), Mutex::default());
        Ok(Self(Arc::new(Inner { socket, session, writing, ended: AtomicBool::new(false) })))
    }

    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }

    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.0.socket.set_nonblocking(on)
    }

    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.socket.set_read_timeout(timeout)
    }

    /// Ends directions in order.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.0.say_last_word()?;
        }
        self.0.socket.shutdown(how)
    }

    /// Closes in order, whatever the other end does. Over TLS it waits for the other end's close: tickets that
    /// come later, unread, would reset the connection over what it has sent.
    pub fn close(mut self) {
        if self.0.session.is_some() {
            let _ = self.shutdown(Shutdown::Write);
            let _ = io::copy(&mut self, &mut io::sink());
        }
    }

    /// Breaks the connection.
    pub fn reset(self) {
        self.0.ended.store(true, SeqCst);
        self.0.socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Closes the socket with what the system says of it alone: over TLS, a truncated stream.
    pub fn cut(self) {
        self.0.ended.store(true, SeqCst);
    }
}

impl Inner {
    fn say_last_word(&self) -> io::Result<()> {
        let Some(session) = &self.session else { return Ok(()) };
        if self.ended.swap(true, SeqCst) {
            return Ok(());
        }
        let _writing = self.writing.lock();
        let word = session.lock().end();
        (&self.socket).write_all(&word)
    }
}

impl Read for Client {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut socket = &self.0.socket;
        let Some(session) = &self.0.session else { return socket.read(into) };
        let mut bytes = [0; 16 << 10];
        loop {
            if let Some(n) = session.lock().take(into)? {
                return Ok(n);
            }
            let n = socket.read(&mut bytes)?;
            session.lock().open(&bytes[..n])?;
        }
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut socket = &self.0.socket;
        let Some(session) = &self.0.session else { return socket.write(bytes) };
        let _writing = self.0.writing.lock();
        let wire = session.lock().seal(bytes);
        socket.write_all(&wire)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A peer that reads nothing is not waited for.
        let _ = self.socket.set_nonblocking(true);
        let _ = self.say_last_word();
    }
}
