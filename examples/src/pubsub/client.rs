//! A client over a blocking socket.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use netpoll::{
    Frame, Result,
    buf::LinkBuffer,
    frame::{self, Arena, Progress, Scanner, Window},
};

use super::{Event, Request};

/// The longest event, in bytes.
const MAX_EVENT: usize = 1 << 20;

/// A client. Requests and events go their ways independently.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// What has come and is not read yet.
    input: Vec<u8>,
    /// Bytes of the event that was given last.
    given: usize,
    arena: Arena,
}

impl Client {
    /// Connects to the server at `address`.
    ///
    /// # Errors
    /// There is none.
    pub fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::new(), given: 0, arena: Arena::new() })
    }

    /// Limits how long [`next`](Self::next) waits.
    ///
    /// # Errors
    /// The limit is zero.
    pub fn set_timeout(&self, limit: Duration) -> Result<()> {
        Ok(self.stream.set_read_timeout(Some(limit))?)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, request: &Request<'_>) -> Result<()> {
        let mut out = LinkBuffer::new();
        frame::encode(request, &mut out)?;
        out.flush();
        Ok(self.stream.write_all(out.next(out.len())?)?)
    }

    /// Gives the next event; `None` once the server has closed.
    ///
    /// # Errors
    /// The connection is broken, or nothing came in time; or what came is no event.
    #[allow(clippy::should_implement_trait, reason = "an event borrows from the client")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>> {
        self.input.drain(..std::mem::take(&mut self.given));
        let mut scanner = <Event<'static> as Frame>::Scan::default();
        let size = loop {
            if let Progress::Ready(n) = scanner.scan(&Window::new(&self.input[..]), MAX_EVENT)? {
                break n;
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece)? {
                0 if self.input.is_empty() => return Ok(None),
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                n => self.input.extend_from_slice(&piece[..n]),
            }
        };
        self.given = size;
        self.arena = Arena::new();
        Ok(Some(frame::decode::<Event<'_>>(&self.input[..size], size, &self.arena)?))
    }
}
