//! Copying between two connections, in both directions, until both have ended.
//!
//! ```text
//!   source's socket ──read──▶ its input ──nodes──▶ destination's output ──write──▶ its socket
//!                                  ▲                        │
//!                                  └── nothing waits any more ┘
//! ```
//! What was read moves as it is: nodes of LinkBuffers change hands, no byte is copied. A direction reads only
//! while its destination has taken all that came before, so that it holds [`MOST`] bytes at most.

use std::{
    fmt,
    future::{Future, IntoFuture, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use super::{
    connection::Connection,
    core::Conn,
    reader::Reader,
    reason::CloseReason,
    recv::Filled,
    state::{OVER, mark},
    wait::News,
};
use crate::{
    error::{Error, ErrorKind, Result},
    sched::{block_on, sleep_on},
};

/// Bytes that one read asks for, at first and while reads come back full.
const LEAST: usize = 16 << 10;
const MOST: usize = 64 << 10;

/// Reads of one direction before others of its worker have their turn.
const READS: usize = 8;

/// The idle time is judged this many times while it passes once.
const LOOKS: u32 = 4;

/// Copies between `a` and `b`, in both directions, until both have ended.
///
/// Each direction ends with its source: what was read is sent, then the destination's sending side is shut
/// down, and the other direction goes on. The result, or the error, has the numbers of bytes. To wait, call
/// `.await` or [`wait`](CopyBidirectional::wait).
///
/// - **Backpressure**: a direction reads while its destination takes what it is sent. It never holds more than
///   64 KiB that were read and not taken.
/// - **Time**: without [`idle_timeout`](CopyBidirectional::idle_timeout) a copy may rest for ever; the
///   connections' `read_timeout` does not count. Their `write_timeout` does: a peer that takes nothing for so
///   long is cut off. Set it to `None` for peers that may pause.
/// - **Errors**: if one connection breaks, the other is aborted, so that its peer does not take a part for the
///   whole. What a peer sent before it stopped reading still arrives.
///
/// The connections are not closed at the end: dropping their handles does that.
///
/// # Errors
/// `Limit` if another reader or a handler reads from one of the two; `TimedOut` after `idle_timeout`; `Closed`
/// or `Io` if a connection breaks.
///
/// # Cancel safety
/// A copy that is dropped has sent all that it read. Both connections can be used further.
///
/// ```
/// use netpoll::{Dialer, Listener, copy_bidirectional};
/// use std::io::{Read, Write};
///
/// let upstream = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let listener = Listener::bind("127.0.0.1:0")?;
/// let mut client = std::net::TcpStream::connect(listener.addresses()[0].inet().unwrap())?;
///
/// let from = listener.accept()?;
/// let to = Dialer::new().beside(&from).dial(upstream.local_addr()?)?;
/// let proxy = std::thread::spawn(move || copy_bidirectional(&from, &to).wait());
///
/// let mut server = upstream.accept()?.0;
/// client.write_all(b"ping")?;
/// client.shutdown(std::net::Shutdown::Write)?;
/// let mut said = String::new();
/// server.read_to_string(&mut said)?;
/// server.write_all(b"pong!")?;
/// drop(server);
/// client.read_to_string(&mut said)?;
/// assert_eq!(said, "pingpong!");
///
/// let copied = proxy.join().unwrap()?;
/// assert_eq!((copied.a_to_b, copied.b_to_a), (4, 5));
/// # Ok::<(), netpoll::Error>(())
/// ```
pub fn copy_bidirectional<'c>(a: &'c Connection, b: &'c Connection) -> CopyBidirectional<'c> {
    CopyBidirectional { a, b, idle_timeout: None }
}

/// A copy between two connections; see [`copy_bidirectional`].
#[derive(Debug)]
#[must_use = "nothing is copied until it is awaited, or `wait` is called"]
pub struct CopyBidirectional<'c> {
    a: &'c Connection,
    b: &'c Connection,
    idle_timeout: Option<Duration>,
}

impl<'c> CopyBidirectional<'c> {
    /// Ends the copy, and closes both connections, when no byte has moved in either direction for `timeout`;
    /// at the latest a quarter later. `None`: no limit. Default: none.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// Copies, and blocks this thread meanwhile. A worker gives its poller away.
    ///
    /// # Errors
    /// Those of [`copy_bidirectional`].
    pub fn wait(self) -> Result<Copied, CopyError> {
        block_on(self.run())
    }

    async fn run(self) -> Result<Copied, CopyError> {
        let Self { a, b, idle_timeout } = self;
        let moved = Moved::default();
        let failed = |error| CopyError { error, copied: moved.copied() };
        if idle_timeout == Some(Duration::ZERO) {
            let why = "idle_timeout is 0: use None for no limit";
            return Err(failed(Error::new(ErrorKind::Config, why)));
        }
        let mut from_a = a.reader().map_err(failed)?;
        let mut from_b = b.reader().map_err(failed)?;
        let ended = {
            let both = both(a, b, &mut from_a, &mut from_b, &moved);
            match idle_timeout {
                None => both.await,
                Some(limit) => within(both, limit, [a, b], &moved).await,
            }
        };
        match ended {
            Ok(()) => Ok(moved.copied()),
            Err(error) => Err(failed(error)),
        }
    }
}

impl<'c> IntoFuture for CopyBidirectional<'c> {
    type Output = Result<Copied, CopyError>;
    type IntoFuture = BoxCopy<'c>;

    fn into_future(self) -> BoxCopy<'c> {
        BoxCopy(Box::pin(self.run()))
    }
}

/// The future of a [`CopyBidirectional`].
#[must_use = "a future does nothing until it is polled"]
pub struct BoxCopy<'c>(Pin<Box<dyn Future<Output = Result<Copied, CopyError>> + Send + 'c>>);

impl Future for BoxCopy<'_> {
    type Output = Result<Copied, CopyError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for BoxCopy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxCopy").finish_non_exhaustive()
    }
}

/// The numbers of bytes that a copy moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Bytes that came from the first connection and were sent on the second.
    pub a_to_b: u64,
    /// Bytes that came from the second connection and were sent on the first.
    pub b_to_a: u64,
}

/// The error of a copy, with the numbers of bytes that it had moved.
#[derive(Clone, Debug)]
pub struct CopyError {
    /// The reason for the end.
    pub error: Error,
    /// The bytes that were sent before it.
    pub copied: Copied,
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Copied { a_to_b, b_to_a } = self.copied;
        write!(f, "{} (after {a_to_b} bytes to one side and {b_to_a} to the other)", self.error)
    }
}

impl std::error::Error for CopyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<CopyError> for Error {
    fn from(failed: CopyError) -> Self {
        failed.error
    }
}

#[derive(Default)]
struct Moved {
    a_to_b: AtomicU64,
    b_to_a: AtomicU64,
}

impl Moved {
    fn copied(&self) -> Copied {
        Copied { a_to_b: self.a_to_b.load(Relaxed), b_to_a: self.b_to_a.load(Relaxed) }
    }
}

/// Copies both directions to their ends.
async fn both(
    a: &Connection,
    b: &Connection,
    from_a: &mut Reader,
    from_b: &mut Reader,
    moved: &Moved,
) -> Result<()> {
    let mut there = pin!(direction(from_a, b, &moved.a_to_b));
    let mut back = pin!(direction(from_b, a, &moved.b_to_a));
    let (mut went, mut came) = (None, None);
    poll_fn(|cx| {
        if went.is_none()
            && let Poll::Ready(ended) = there.as_mut().poll(cx)
        {
            went = Some(ended.inspect_err(|failed| failed.pass_on(b)));
        }
        if came.is_none()
            && let Poll::Ready(ended) = back.as_mut().poll(cx)
        {
            came = Some(ended.inspect_err(|failed| failed.pass_on(a)));
        }
        // An end of the second may concern the first: its waiter is woken, which polls again.
        if went.is_some() && came.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    match (went.unwrap_or(Ok(())), came.unwrap_or(Ok(()))) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(failed), Ok(())) => Err(failed.close(a)),
        (Ok(()), Err(failed)) => Err(failed.close(b)),
        (Err(first), Err(second)) => {
            a.abort();
            b.abort();
            Err(if matches!(first, Failed::Sending(_)) { second.error() } else { first.error() })
        }
    }
}

/// The failure of one direction.
enum Failed {
    /// The source broke.
    Reading(Error),
    /// The destination takes nothing any more. It may have sent something before.
    Sending(Error),
}

impl Failed {
    /// Ends the destination of a direction whose source broke: what came is not all.
    fn pass_on(&self, destination: &Connection) {
        if matches!(self, Self::Reading(_)) {
            destination.abort();
        }
    }

    /// Ends the source of a direction whose other one has come to its end: all that was sent to it arrives.
    fn close(self, source: &Connection) -> Error {
        source.close();
        self.error()
    }

    fn error(self) -> Error {
        match self {
            Self::Reading(error) | Self::Sending(error) => error,
        }
    }
}

/// Copies one direction to the end of its source, and ends the destination's.
async fn direction(
    source: &mut Reader,
    destination: &Connection,
    moved: &AtomicU64,
) -> Result<(), Failed> {
    let to = &destination.conn;
    let (mut want, mut reads) = (LEAST, 0);
    let mut ended = false;
    loop {
        if !source.is_empty() {
            to.check_sending().map_err(Failed::Sending)?;
            let mut bytes = mem::take(source.buffer());
            let n = bytes.len();
            // Nothing waits before it: the socket takes all, or what is left of this alone waits.
            to.send(&mut bytes);
            moved.fetch_add(n as u64, Relaxed);
            want = if n >= want { MOST } else { LEAST };
            if to.pending() > 0 {
                to.until(News::Room, |_| taken(to)).await.map_err(Failed::Sending)?;
            }
        }
        if ended {
            break;
        }
        match source.read(want).map_err(Failed::Reading)? {
            Filled::Some(_) => {
                reads += 1;
                if reads == READS {
                    reads = 0;
                    yield_now().await;
                }
            }
            Filled::Eof => ended = true,
            Filled::Nothing => {
                // A copy that rests holds no block.
                source.buffer().tidy();
                reads = 0;
                source.arrived().await;
            }
        }
    }
    source.buffer().tidy();
    destination.shutdown_write();
    to.until(News::Room, |to| {
        let word = to.state_word.load();
        (word & (mark::SHUT_DONE | mark::HUNG_UP | OVER) != 0).then_some(())
    })
    .await;
    Ok(())
}

/// Returns whether the socket has taken all output, once that is known. It writes itself what can be written.
fn taken(to: &Arc<Conn>) -> Option<Result<()>> {
    if to.pending() > 0 && to.state_word.load() & mark::WRITABLE != 0 {
        to.flush();
    }
    if to.pending() == 0 {
        return Some(Ok(()));
    }
    to.check_sending().err().map(Err)
}

/// Lets others of this worker have their turn.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Copies until both directions have ended, or until nothing has moved for `limit`.
async fn within(
    both: impl Future<Output = Result<()>>,
    limit: Duration,
    [a, b]: [&Connection; 2],
    moved: &Moved,
) -> Result<()> {
    let mut both = pin!(both);
    let progress = || {
        let Copied { a_to_b, b_to_a } = moved.copied();
        (a_to_b, b_to_a, a.conn.written(), b.conn.written())
    };
    let (mut last, mut quiet) = (progress(), 0);
    while quiet < LOOKS {
        let mut look = pin!(sleep_on(a.conn.runtime(), limit / LOOKS));
        let ended = poll_fn(|cx| match both.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => look.as_mut().poll(cx).map(|()| None),
        });
        if let Some(ended) = ended.await {
            return ended;
        }
        let now = progress();
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
    a.conn.end(mark::CLOSING, CloseReason::IdleTimeout);
    b.conn.end(mark::CLOSING, CloseReason::IdleTimeout);
    let why = format!("copying between {} and {}: no byte within {limit:?}", a.conn, b.conn);
    Err(Error::new(ErrorKind::TimedOut, why))
}
