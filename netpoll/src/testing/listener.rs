//! A server by hand.

use std::{
    fmt, io,
    sync::mpsc::{Receiver, channel},
};

use parking_lot::Mutex;

use super::{PATIENCE, link::Link, peer::MemoryPeer, port::Port};

/// An address in memory at which a test is the server: what clients send it reads, and answers as it
/// likes, or not at all.
///
/// ```
/// use std::io::{Read, Write};
/// use netpoll::{Dialer, testing::{Dials, Link, Listener}};
///
/// let listener = Listener::bind(&Link::default());
/// let conn = Dialer::new().dial(listener.port().address())?;
/// let mut peer = listener.accept()?;
/// conn.write(b"hello")?;
/// let mut got = [0; 5];
/// peer.read_exact(&mut got)?;
/// assert_eq!(&got, b"hello");
///
/// listener.port().set(Dials::Refused);
/// let refused = Dialer::new().dial(listener.port().address()).unwrap_err();
/// assert_eq!(refused.io_kind(), Some(std::io::ErrorKind::ConnectionRefused));
/// # Ok::<(), netpoll::Error>(())
/// ```
pub struct Listener {
    port: Port,
    clients: Mutex<Receiver<MemoryPeer>>,
}

impl Listener {
    /// A new address. `link` is what the connections are like at the client's end: its `inbound` holds
    /// what the test answers, its faults befall the client.
    pub fn bind(link: &Link) -> Self {
        let (tell, clients) = channel();
        let link = link.clone();
        let port = Port::open(move || {
            let (endpoint, peer) = link.make();
            // Once the listener is gone nobody can dial it.
            let _ = tell.send(peer);
            Ok(endpoint)
        });
        Self { port, clients: Mutex::new(clients) }
    }

    /// Returns the port at which it is dialled.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// The next client: waits until somebody dials.
    ///
    /// # Errors
    /// `TimedOut` if nobody does within 20 s.
    pub fn accept(&self) -> io::Result<MemoryPeer> {
        let client = self.clients.lock().recv_timeout(PATIENCE);
        client.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, "waited in vain for somebody to dial")
        })
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.port).finish()
    }
}
