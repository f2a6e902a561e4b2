//! Where clients dial in memory.

use std::{fmt, io};

use crate::sys::{self, Endpoint, testing::Dials};

/// An address in memory, of a [`Server`](super::Server) or a [`Listener`](super::Listener): a
/// [`Dialer`](crate::Dialer) or a client of this process that dials it gets a connection in memory, and the
/// faults of its runtime. Dropped, it refuses those who dial it; connections go on.
///
/// ```
/// use netpoll::{EventLoop, Frame, client::Client, frame::Auto, service::Free, testing::{Link, Server}};
///
/// #[derive(Clone, Debug, Frame, PartialEq)]
/// struct Message {
///     #[frame(len(of = rest))]
///     length: Auto<u16>,
///     #[frame(rest, max = 1000)]
///     body: Vec<u8>,
/// }
///
/// #[netpoll::on_request]
/// fn echo(message: Message) -> Message {
///     message
/// }
///
/// # fn main() -> netpoll::Result<()> {
/// let server = Server::start(EventLoop::builder(Free::<echo>::new()).pollers(1))?;
/// let port = server.listen(&Link::default());
/// let client = Client::<Message, Message>::pool(port.address()).build()?;
/// let reply = client.call(Message { length: Auto::default(), body: b"hello".into() })?;
/// assert_eq!(reply.get()?.body, b"hello");
/// # Ok(())
/// # }
/// ```
pub struct Port(sys::testing::Port);

impl Port {
    pub(super) fn open(answer: impl Fn() -> io::Result<Endpoint> + Send + Sync + 'static) -> Self {
        Self(sys::testing::Port::open(answer))
    }

    /// Returns the address to dial: `unix:..`.
    pub fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// Sets the outcome of dials from now on. Default: they get connections.
    pub fn set(&self, dials: Dials) {
        self.0.set(dials);
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Port").field(&self.address()).finish()
    }
}
