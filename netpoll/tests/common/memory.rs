//! A client in memory, plain or over TLS.

use std::io::{self, Read, Write};

use netpoll::testing::{Link, MemoryPeer, Server};

use super::over::Session;

/// The test's end of a connection of a server in memory. Dropped, it ends in order.
pub struct Memory {
    pub peer: MemoryPeer,
    pub session: Option<Session>,
    ended: bool,
}

impl Memory {
    /// A new client of `server`.
    ///
    /// # Errors
    /// As [`Server::connect_by`], and if the handshake fails.
    pub fn connect_by(server: &Server, link: &Link) -> io::Result<Self> {
        Self::over(Session::client(), server, link)
    }

    /// As [`connect_by`](Self::connect_by), over a session of the test's.
    pub fn over(session: Option<Session>, server: &Server, link: &Link) -> io::Result<Self> {
        let mut peer = server.connect_by(link).map_err(io::Error::other)?;
        let mut session = session;
        if let Some(session) = &mut session {
            session.shake(&mut peer)?;
        }
        Ok(Self { peer, session, ended: false })
    }

    /// A new client of `server`.
    pub fn connect(server: &Server) -> Self {
        Self::connect_by(server, &Link::default()).unwrap()
    }

    /// Writes `bytes` in pieces that end at `cuts`: over TLS in the same proportions of what they are sealed to.
    pub fn write_cut(&mut self, bytes: &[u8], cuts: &[usize]) -> io::Result<()> {
        let Some(session) = &mut self.session else { return self.peer.write_cut(bytes, cuts) };
        let wire = session.seal(bytes);
        let cuts: Vec<_> = cuts.iter().map(|cut| cut * wire.len() / bytes.len().max(1)).collect();
        self.peer.write_cut(&wire, &cuts)
    }

    /// Sends no more.
    pub fn shutdown_write(&mut self) {
        self.say_last_word();
        self.peer.shutdown_write();
    }

    fn say_last_word(&mut self) {
        if let Some(session) = self.session.as_mut().filter(|_| !self.ended) {
            self.ended = true;
            // The server may be gone.
            let _ = self.peer.write_all(&session.end());
        }
    }

    /// Breaks the connection.
    pub fn reset(&mut self) {
        self.ended = true;
        self.peer.reset();
    }
}

impl Read for Memory {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else { return self.peer.read(into) };
        loop {
            if let Some(n) = session.take(into)? {
                return Ok(n);
            }
            session.receive(&mut self.peer)?;
        }
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => self.peer.write(bytes),
            Some(session) => {
                let wire = session.seal(bytes);
                self.peer.write_all(&wire)?;
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // What is unread here becomes a reset, as it does without TLS.
        self.say_last_word();
    }
}
