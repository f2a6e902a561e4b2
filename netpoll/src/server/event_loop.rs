//! A running server, and the handle to it.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;

use super::{builder::EventLoopBuilder, open::OpenConnections, report::ShutdownReport};
use crate::{
    addr::PeerAddress,
    conn::Connection,
    error::Result,
    listen::Acceptor,
    sched::{Runtime, block_on},
    service::Service,
    timer::Clock,
};

/// How long a listener may take until its next turn, in which it closes: a deadline of zero does not skip
/// that.
pub(super) const TURN: Duration = Duration::from_millis(100);

/// A server: a [`Service`] on one or more listeners. It serves from [`bind`](EventLoopBuilder::bind)
/// on; [`serve`](Self::serve) waits for its end.
///
/// ```
/// use netpoll::{Call, Connection, EventLoop, Flow, In, Result, Service};
/// use std::{io::{Read, Write}, net::TcpStream, time::Duration};
///
/// struct Upper;
/// impl Service for Upper {
///     type Session = ();
///     type Request = In<'static>;
///     async fn on_connect(&self, _: &Connection) -> Result<()> {
///         Ok(())
///     }
///     async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
///         let n = input.len();
///         call.out.buf.write(&input.next(n)?.to_ascii_uppercase())?;
///         Ok(Flow::Continue)
///     }
/// }
///
/// let server = EventLoop::builder(Upper).listen("127.0.0.1:0").bind()?;
/// let mut client = TcpStream::connect(server.addresses()[0].inet().unwrap())?;
/// client.write_all(b"hello")?;
/// let mut answer = [0; 5];
/// client.read_exact(&mut answer)?;
/// assert_eq!(&answer, b"HELLO");
///
/// let report = server.handle().shutdown(Duration::from_secs(1));
/// assert_eq!((report.drained, report.cut.len()), (1, 0));
/// # Ok::<(), netpoll::Error>(())
/// ```
#[must_use = "the server stops when it is dropped: call `serve`, or keep it"]
pub struct EventLoop {
    handle: ServerHandle,
    /// Shuts down when the server is dropped.
    armed: bool,
}

/// A handle to a running server; clones are handles to the same one.
#[derive(Clone)]
pub struct ServerHandle(Arc<Running>);

struct Running {
    runtime: Runtime,
    acceptors: Vec<Arc<Acceptor>>,
    addresses: Vec<PeerAddress>,
    open: Arc<OpenConnections>,
    ended: Mutex<Ended>,
    #[cfg(feature = "udp")]
    sockets: Vec<Arc<crate::udp::Serving>>,
}

#[derive(Default)]
struct Ended {
    /// Once it is there.
    report: Option<ShutdownReport>,
    /// Who waits for it.
    waiters: Vec<Waker>,
}

impl EventLoop {
    /// The settings of a server for `service`.
    pub fn builder<S: Service>(service: S) -> EventLoopBuilder<S> {
        EventLoopBuilder::new(service)
    }

    pub(super) fn new(
        runtime: Runtime,
        acceptors: Vec<Arc<Acceptor>>,
        open: Arc<OpenConnections>,
    ) -> Self {
        let addresses = acceptors.iter().map(|acceptor| acceptor.address().clone()).collect();
        let running = Running {
            runtime,
            acceptors,
            addresses,
            open,
            ended: Mutex::default(),
            #[cfg(feature = "udp")]
            sockets: Vec::new(),
        };
        Self { handle: ServerHandle(Arc::new(running)), armed: true }
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[PeerAddress] {
        self.handle.addresses()
    }

    /// A handle, through which other threads look at the server and shut it down.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Waits until somebody shuts the server down: with the report of that.
    ///
    /// # Errors
    /// None today; kept for listeners that fail for good.
    pub fn serve(mut self) -> Result<ShutdownReport> {
        self.armed = false;
        Ok(self.handle.wait())
    }
}

#[cfg(feature = "udp")]
impl EventLoop {
    pub(super) fn runtime(&self) -> &Runtime {
        self.handle.runtime()
    }

    /// Adds datagram sockets, before anybody has a handle.
    pub(super) fn add_sockets(&mut self, sockets: Vec<Arc<crate::udp::Serving>>) {
        let running = Arc::get_mut(&mut self.handle.0).expect("nobody has a handle yet");
        // Those of one address share their port.
        let address = sockets.first().map(|socket| socket.local().into());
        running.addresses.extend(address);
        running.sockets.extend(sockets);
    }
}

#[cfg(feature = "udp")]
impl ServerHandle {
    pub(super) fn sockets(&self) -> &[Arc<crate::udp::Serving>] {
        &self.0.sockets
    }
}

impl Drop for EventLoop {
    /// Shuts down at once: connections that have something to do are cut.
    fn drop(&mut self) {
        if self.armed {
            self.handle.shutdown(Duration::ZERO);
        }
    }
}

impl ServerHandle {
    /// Where the server listens.
    pub fn addresses(&self) -> &[PeerAddress] {
        &self.0.addresses
    }

    /// The runtime that it runs on.
    pub fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    /// Connections alive.
    pub fn live(&self) -> usize {
        self.0.open.count()
    }

    /// The connections alive.
    pub fn connections(&self) -> Vec<Connection> {
        self.0.open.list()
    }

    /// Shuts the server down: stops accepting, lets connections end as soon as their requests are
    /// answered and their output is sent, cuts those that have not after `deadline`, and reports.
    /// Later calls wait for the first and give its report.
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let until = self.0.runtime.shared().settings.clock.after(deadline);
        let turn = Clock::default().after(TURN);
        for acceptor in &self.0.acceptors {
            acceptor.close(turn);
            acceptor.close(until);
        }
        #[cfg(feature = "udp")]
        super::datagrams::begin_close(&self.0.sockets);
        let drained = self.0.open.drain(until);
        #[cfg(feature = "udp")]
        super::datagrams::finish_close(&self.0.sockets, until);
        match drained {
            None => self.wait(),
            Some(report) => {
                let waiters = {
                    let mut ended = self.0.ended.lock();
                    ended.report = Some(report.clone());
                    std::mem::take(&mut ended.waiters)
                };
                waiters.into_iter().for_each(Waker::wake);
                report
            }
        }
    }

    /// Waits until the server is shut down: with the report of that.
    pub fn wait(&self) -> ShutdownReport {
        block_on(poll_fn(|cx| {
            let mut ended = self.0.ended.lock();
            if let Some(report) = &ended.report {
                return Poll::Ready(report.clone());
            }
            if !ended.waiters.iter().any(|known| known.will_wake(cx.waker())) {
                ended.waiters.push(cx.waker().clone());
            }
            Poll::Pending
        }))
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("addresses", &self.0.addresses)
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventLoop").field(&self.handle).finish()
    }
}
