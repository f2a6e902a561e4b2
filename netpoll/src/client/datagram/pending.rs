//! Who waits for what: calls by their number, receipts, and datagrams that nobody has taken yet.
//!
//! One lock guards all of it; it is held for a look-up, and wakers are called after it.

use std::{
    any::TypeId,
    collections::{HashMap, VecDeque},
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Poll, Waker},
};

use parking_lot::Mutex;

use super::{Arrived, wait};
use crate::{
    buf::LinkSlice,
    client::{MuxFrame, SequenceNumber},
    error::{Error, ErrorKind, Result},
    frame::{self, Arena, Frame},
    guard::{self, Place},
    random::Random,
    sched::BoxFuture,
    udp::{Datagram, Fault, Handled, Handler, Held, Mode, Outbox, Outlet},
};

/// Bytes that a datagram in the queue counts beside its own.
const OVERHEAD: usize = 128;

/// The number that a reply carries; `None` if it is not of the reply's format.
pub(super) type NumberOf = fn(&[u8]) -> Option<u64>;

/// The number of the frame `R` that `bytes` are.
pub(super) fn number_of<R: MuxFrame + Frame>(bytes: &[u8]) -> Option<u64> {
    let arena = Arena::new();
    let decoded = guard::run(Place::Decode, || {
        let frame = frame::decode_whole::<R>(bytes, &arena).ok()?;
        Some(R::seq_of(&frame).number())
    });
    decoded.ok().flatten()
}

/// See the module's documentation.
pub(super) struct Exchanges {
    table: Mutex<Table>,
    /// The most bytes that wait to be received.
    max: usize,
}

#[derive(Default)]
struct Table {
    calls: HashMap<u64, Call>,
    /// The formats of the replies that calls wait for.
    formats: Vec<Format>,
    random: Random,
    /// Datagrams, and errors, that nobody has taken yet.
    queue: VecDeque<Result<Arrived>>,
    queued: usize,
    /// Datagrams that were dropped since too many waited, or nobody had use for them.
    dropped: u64,
    receivers: Vec<Waker>,
    /// Somebody receives: what is no reply is kept.
    receives: bool,
    closed: bool,
}

struct Format {
    id: TypeId,
    number_of: NumberOf,
    calls: usize,
}

struct Call {
    peer: Option<SocketAddr>,
    format: TypeId,
    reply: Option<Result<LinkSlice>>,
    waker: Option<Waker>,
}

impl Exchanges {
    pub(super) fn new(max: usize) -> Self {
        Self { table: Mutex::default(), max }
    }

    /// Takes a datagram that has come; else `waker` is called when one has.
    pub(super) fn take(&self, waker: Option<&Waker>) -> Option<Result<Arrived>> {
        let mut table = self.table.lock();
        table.receives = true;
        if let Some(came) = table.queue.pop_front() {
            table.queued -= size(&came);
            return Some(came);
        }
        if table.closed {
            return Some(Err(closed()));
        }
        if let Some(waker) = waker {
            wait(&mut table.receivers, waker);
        }
        None
    }

    /// Datagrams that were dropped after they had come.
    pub(super) fn dropped(&self) -> u64 {
        self.table.lock().dropped
    }

    /// The peer refused what was sent: calls fail, and receipts.
    pub(super) fn refused(&self, error: &io::Error) {
        let again = || {
            let error = io::Error::from(error.kind());
            Error::io("the peer refused a datagram", error)
        };
        let mut table = self.table.lock();
        let mut wakers = table.fail_calls(&again);
        if wakers.is_empty() || !table.receivers.is_empty() {
            wakers.extend(table.put(Err(again()), self.max));
        }
        drop(table);
        wakers.into_iter().for_each(guard::wake);
    }
}

impl Table {
    /// Ends all calls that have no reply, each with an error.
    fn fail_calls(&mut self, error: &dyn Fn() -> Error) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for call in self.calls.values_mut().filter(|call| call.reply.is_none()) {
            call.reply = Some(Err(error()));
            wakers.extend(call.waker.take());
        }
        wakers
    }

    /// Queues `came`; the oldest go past `max`. Gives whom to wake.
    fn put(&mut self, came: Result<Arrived>, max: usize) -> Vec<Waker> {
        self.queued += size(&came);
        self.queue.push_back(came);
        while self.queued > max
            && self.queue.len() > 1
            && let Some(oldest) = self.queue.pop_front()
        {
            self.queued -= size(&oldest);
            self.dropped += 1;
        }
        std::mem::take(&mut self.receivers)
    }

    /// Gives `datagram` to the call that it answers. `None`: there is none.
    fn answer(&mut self, datagram: &Datagram<'_>) -> Option<Result<Option<Waker>>> {
        for format in &self.formats {
            let Some(number) = (format.number_of)(datagram.bytes) else { continue };
            let Some(call) = self.calls.get_mut(&number) else { continue };
            let asked = call.peer.is_none_or(|peer| peer == datagram.peer());
            if call.format != format.id || !asked || call.reply.is_some() {
                continue;
            }
            let reply = Held::copy(datagram).and_then(|held| Arrived::new(held).into_link_slice());
            call.reply = Some(reply);
            return Some(Ok(call.waker.take()));
        }
        None
    }
}

impl Handler for Exchanges {
    fn mode(&self) -> Mode {
        Mode::Inline
    }

    fn handle(&self, datagram: Datagram<'_>, _: Outlet<'_>) -> Handled {
        let mut table = self.table.lock();
        let wakers = match table.answer(&datagram) {
            Some(Ok(waker)) => waker.into_iter().collect(),
            Some(Err(error)) => return Err(Fault::Failed(error)),
            // A late reply, or what a client that makes calls alone has no use for.
            None if !table.receives && !table.formats.is_empty() => {
                table.dropped += 1;
                return Ok(());
            }
            None => {
                let held = Held::copy(&datagram).map_err(Fault::Failed)?;
                table.put(Ok(Arrived::new(held)), self.max)
            }
        };
        drop(table);
        wakers.into_iter().for_each(guard::wake);
        Ok(())
    }

    fn start(&self, held: Held, _: usize) -> BoxFuture<(Outbox, Handled)> {
        let handled =
            self.handle(held.datagram(), Outlet::new(&mut Outbox::default(), self.max, None));
        Box::pin(std::future::ready((Outbox::default(), handled)))
    }

    fn throttled(&self) -> bool {
        false
    }

    fn failed(&self, peer: Option<SocketAddr>, _: SocketAddr, error: &Error) {
        if let (None, Some(error)) = (peer, error.io_source())
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            return self.refused(error);
        }
        let mut table = self.table.lock();
        let wakers = table.put(Err(error.clone()), self.max);
        drop(table);
        wakers.into_iter().for_each(guard::wake);
    }

    fn closed(&self) {
        let mut table = self.table.lock();
        table.closed = true;
        let mut wakers = table.fail_calls(&closed);
        wakers.append(&mut table.receivers);
        drop(table);
        wakers.into_iter().for_each(guard::wake);
    }
}

/// A call that waits, until it is dropped.
pub(super) struct Exchange {
    exchanges: Arc<Exchanges>,
    number: u64,
}

impl Exchange {
    /// Begins a call to `peer`, under a number of up to `max` that nobody can guess from the last one.
    ///
    /// # Errors
    /// `Limit`: all numbers are in use; `Closed`.
    pub(super) fn begin(
        exchanges: &Arc<Exchanges>,
        peer: Option<SocketAddr>,
        max: u64,
        (id, number_of): (TypeId, NumberOf),
    ) -> Result<Self> {
        let mut table = exchanges.table.lock();
        if table.closed {
            return Err(closed());
        }
        let count = table.calls.len() as u64;
        if count >= max {
            let why = format!("all {max} numbers of calls are in use");
            return Err(Error::new(ErrorKind::Limit, why));
        }
        let range = usize::try_from(max).unwrap_or(usize::MAX).min(1 << 31);
        let mut number = table.random.below(range) as u64 + 1;
        while table.calls.contains_key(&number) {
            number = number % max + 1;
        }
        table.calls.insert(number, Call { peer, format: id, reply: None, waker: None });
        match table.formats.iter_mut().find(|format| format.id == id) {
            Some(format) => format.calls += 1,
            None => table.formats.push(Format { id, number_of, calls: 1 }),
        }
        drop(table);
        Ok(Self { exchanges: exchanges.clone(), number })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Waits for the reply.
    pub(super) async fn reply(&self) -> Result<LinkSlice> {
        poll_fn(|cx| {
            let mut table = self.exchanges.table.lock();
            let call =
                table.calls.get_mut(&self.number).expect("a call is there until it is dropped");
            match call.reply.take() {
                Some(reply) => Poll::Ready(reply),
                None => {
                    call.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut table = self.exchanges.table.lock();
        let Some(call) = table.calls.remove(&self.number) else { return };
        if let Some(at) = table.formats.iter().position(|format| format.id == call.format) {
            table.formats[at].calls -= 1;
        }
        drop(table);
        if let Some(waker) = call.waker {
            guard::discard(Place::Waker, waker);
        }
    }
}

fn size(came: &Result<Arrived>) -> usize {
    OVERHEAD + came.as_ref().map_or(0, |came| came.len())
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the socket is closed: its runtime shut down")
}
