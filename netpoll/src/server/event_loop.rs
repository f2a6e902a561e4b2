//! A running server, and the handle to it.

use std::{
    fmt,
    future::{Future, poll_fn},
    ops::ControlFlow,
    os::fd::OwnedFd,
    pin::pin,
    sync::{Arc, Weak},
    task::Poll,
    time::Duration,
};

use super::{
    builder::EventLoopBuilder, lifecycle::Lifecycle, open::OpenConnections, report::ShutdownReport,
};
use crate::{
    addr::PeerAddress,
    conn::Connection,
    error::{Error, Result},
    listen::Acceptor,
    notify,
    observe::Stall,
    sched::{self, Runtime, block_on, completion::Completion},
    service::Service,
    timer::{Clock, Moment},
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
    drain: Drain,
}

/// The times of a drain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// Before it, while the server is not ready and still accepts.
    pub(super) delay: Duration,
    /// Its longest time.
    pub(super) timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::ZERO, timeout: Duration::from_secs(30) }
    }
}

/// A handle to a running server; clones are handles to the same one.
#[derive(Clone)]
pub struct ServerHandle(Arc<Running>);

struct Running {
    runtime: Runtime,
    acceptors: Vec<Arc<Acceptor>>,
    addresses: Vec<PeerAddress>,
    open: Arc<OpenConnections>,
    lifecycle: Arc<Lifecycle>,
    #[cfg(feature = "udp")]
    sockets: Vec<Arc<crate::udp::Serving>>,
}

impl EventLoop {
    /// Returns the settings of a server for `service`.
    pub fn builder<S: Service>(service: S) -> EventLoopBuilder<S> {
        EventLoopBuilder::new(service)
    }

    pub(super) fn new(
        runtime: Runtime,
        acceptors: Vec<Arc<Acceptor>>,
        open: Arc<OpenConnections>,
        lifecycle: Arc<Lifecycle>,
    ) -> Self {
        let addresses = acceptors.iter().map(|acceptor| acceptor.address().clone()).collect();
        let running = Running {
            runtime,
            acceptors,
            addresses,
            open,
            lifecycle,
            #[cfg(feature = "udp")]
            sockets: Vec::new(),
        };
        Self { handle: ServerHandle(Arc::new(running)), armed: true, drain: Drain::default() }
    }

    pub(super) fn with_drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Starts to accept at all listeners; in a process that takes over from another one, once it is ready.
    pub(super) fn start(&self) -> Result<()> {
        let acceptors: Vec<_> = self.handle.0.acceptors.iter().map(Arc::downgrade).collect();
        // Those of a server that was dropped meanwhile are gone.
        let start = move || {
            acceptors.iter().filter_map(Weak::upgrade).try_for_each(|acceptor| acceptor.start())
        };
        #[cfg(target_os = "linux")]
        return crate::sys::handed::when_ready(start);
        #[cfg(not(target_os = "linux"))]
        start()
    }

    /// Returns the addresses on which it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[PeerAddress] {
        self.handle.addresses()
    }

    /// Returns a handle, by which other threads observe the server and shut it down.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Waits until the server, or its runtime, is shut down, and returns the shutdown's report.
    ///
    /// # Errors
    /// The error of the last listener, if all listeners have failed for good: nobody can connect any more.
    /// Open connections are served until a handle, or the runtime, shuts them down.
    pub fn serve(mut self) -> Result<ShutdownReport> {
        self.armed = false;
        block_on(self.ended())
    }

    /// Serves until `stop` is ready, then drains, and returns the drain's report.
    ///
    /// The phases: the server is not ready any more and still accepts
    /// ([`drain_delay`](EventLoopBuilder::drain_delay)); it takes the last clients of the accept queue and
    /// closes its listeners; connections close as soon as they have nothing to do; those that are open after
    /// [`drain_timeout`](EventLoopBuilder::drain_timeout) are aborted. With
    /// [`signal::shutdown`](crate::signal::shutdown) as `stop` it is a signal that begins them.
    ///
    /// It returns earlier if the server, or its runtime, is shut down meanwhile.
    ///
    /// # Errors
    /// Those of [`serve`](Self::serve).
    pub fn serve_until<F: Future>(mut self, stop: F) -> Result<ShutdownReport> {
        self.armed = false;
        match block_on(self.until_stopped(stop)) {
            ControlFlow::Break(result) => result,
            ControlFlow::Continue(since) => {
                let own = sched::current_connection();
                let report = self.handle.shut_down_since(since, self.drain.timeout, own);
                tracing::info!(%report, "the server has stopped");
                Ok(report)
            }
        }
    }

    /// Waits until the server, or its runtime, is shut down, or its last listener has failed.
    pub(super) async fn ended(&self) -> Result<ShutdownReport> {
        self.serves()?;
        self.handle.0.lifecycle.left().wait().await
    }

    /// Waits until `stop` is ready and the time before the drain has passed; returns the moment at which the
    /// shutdown began. It breaks if the server ended meanwhile.
    pub(super) async fn until_stopped<F: Future>(
        &self,
        stop: F,
    ) -> ControlFlow<Result<ShutdownReport>, Moment> {
        if let Err(error) = self.serves() {
            return ControlFlow::Break(Err(error));
        }
        self.unless_ended(stop).await?;
        let (since, drain) = (self.handle.now(), self.drain);
        self.handle.0.lifecycle.retire();
        tracing::info!(?drain, live = self.handle.live(), "the server stops");
        notify::stopping();
        if !drain.delay.is_zero() {
            let runtime = self.handle.0.runtime.shared();
            self.unless_ended(sched::sleep_on(runtime, drain.delay)).await?;
        }
        ControlFlow::Continue(since)
    }

    /// Waits for `future`; breaks if the server ends before.
    async fn unless_ended<F: Future>(&self, future: F) -> ControlFlow<Result<ShutdownReport>> {
        let (mut ended, mut future) = (pin!(self.ended()), pin!(future));
        poll_fn(|cx| match ended.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(ControlFlow::Break(result)),
            Poll::Pending => future.as_mut().poll(cx).map(|_| ControlFlow::Continue(())),
        })
        .await
    }

    /// Leaves the server to whoever has a handle: dropping this does not shut it down.
    pub(super) fn disarm(&mut self) {
        self.armed = false;
    }

    /// The longest time of a drain.
    pub(super) fn drain_timeout(&self) -> Duration {
        self.drain.timeout
    }
}

impl EventLoop {
    /// Tells a process that hands its listeners to this one, and the service manager, that it serves.
    fn serves(&self) -> Result<()> {
        // Before the other process goes silent.
        notify::serves(self.handle.runtime());
        #[cfg(target_os = "linux")]
        crate::sys::handed::ready()?;
        Ok(())
    }
}

#[cfg(feature = "udp")]
impl EventLoop {
    pub(super) fn runtime(&self) -> &Runtime {
        self.handle.runtime()
    }

    /// The server's name and observers.
    pub(super) fn scope(&self) -> &Arc<crate::observe::Scope> {
        &self.handle.0.open.scope
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
    /// Returns the addresses on which the server listens.
    pub fn addresses(&self) -> &[PeerAddress] {
        &self.0.addresses
    }

    /// Returns the runtime on which the server runs.
    pub fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn acceptors(&self) -> &[Arc<Acceptor>] {
        &self.0.acceptors
    }

    /// Returns copies of the listeners' descriptors, with their addresses, for another process that is to serve on
    /// them: [`upgrade`](crate::upgrade) does all of this. While such a copy is open, clients may connect.
    ///
    /// # Errors
    /// `Io` if a descriptor cannot be copied, or a listener has failed.
    pub fn listeners(&self) -> Result<Vec<(PeerAddress, OwnedFd)>> {
        let copies = self.0.acceptors.iter().map(|acceptor| {
            let copy = acceptor.listener().share().map_err(|e| {
                Error::io(format!("sharing the listener of {}", acceptor.address()), e)
            })?;
            Ok((acceptor.address().clone(), copy))
        });
        copies.collect()
    }

    /// Returns true while the server accepts clients: false from the beginning of a shutdown on, and once
    /// all listeners have failed.
    pub fn is_ready(&self) -> bool {
        self.0.lifecycle.is_ready()
    }

    /// Returns the server's name; see [`EventLoopBuilder::name`].
    pub fn name(&self) -> &str {
        &self.0.open.scope.server
    }

    /// Returns the handlers of this server that run or wait now, and have done so for longer than
    /// [`stall_after`](crate::RuntimeBuilder::stall_after).
    pub fn stalls(&self) -> Vec<Stall> {
        let mut stalls = self.0.runtime.stalls();
        stalls.retain(|stall| stall.server.as_deref() == Some(self.name()));
        stalls
    }

    /// Returns the number of open connections.
    pub fn live(&self) -> usize {
        self.0.open.count()
    }

    /// Returns the open connections.
    pub fn connections(&self) -> Vec<Connection> {
        self.0.open.list()
    }

    /// Returns the open connections, with the time since each was accepted.
    pub fn ages(&self) -> Vec<(Connection, Duration)> {
        self.0.open.ages()
    }

    /// Shuts the server down and reports.
    ///
    /// It stops accepting, after it has taken those clients that wait in the accept queue; closes
    /// connections as soon as their requests are answered and their output is sent; and aborts those that
    /// are open at `deadline`. A deadline of zero drops the accept queue and aborts at once.
    ///
    /// Later calls wait for the first and return its report. A handler may call this: the connection of its
    /// own request is not waited for, and closes after the request is answered.
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.shut_down_since(self.now(), deadline, sched::current_connection())
    }

    pub(super) fn now(&self) -> Moment {
        self.0.runtime.shared().settings.clock.after(Duration::ZERO)
    }

    /// The end by a shutdown.
    pub(super) fn report(&self) -> &Completion<ShutdownReport> {
        self.0.lifecycle.ended()
    }

    /// Shuts down, in a shutdown that began at `since`; `own` is the connection whose handler asks for it.
    pub(super) fn shut_down_since(
        &self,
        since: Moment,
        deadline: Duration,
        own: Option<u64>,
    ) -> ShutdownReport {
        self.0.lifecycle.retire();
        let until = self.0.runtime.shared().settings.clock.after(deadline);
        let turn = Clock::default().after(TURN);
        for acceptor in &self.0.acceptors {
            acceptor.close(!deadline.is_zero());
        }
        for acceptor in &self.0.acceptors {
            acceptor.wait_closed(turn);
            acceptor.wait_closed(until);
        }
        #[cfg(feature = "udp")]
        super::datagrams::begin_close(&self.0.sockets);
        let begun = self.0.open.begin_drain();
        let drained = begun.map(|before| self.0.open.finish_drain(before, until, own));
        #[cfg(feature = "udp")]
        super::datagrams::finish_close(&self.0.sockets, until);
        match drained {
            Some(mut report) => {
                report.took = self.now().since(since);
                self.0.lifecycle.end(report)
            }
            // A handler whose own request the other call waits for gets what there is.
            None if own.is_some() => self.0.lifecycle.ended().get().unwrap_or_default(),
            None => self.wait(),
        }
    }

    /// Waits until the server, or its runtime, is shut down, and returns the shutdown's report.
    pub fn wait(&self) -> ShutdownReport {
        block_on(self.0.lifecycle.ended().wait())
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
