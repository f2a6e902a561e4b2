//! Name look-ups on threads of their own.
//!
//! The system's resolver blocks, and cannot be interrupted: with a dead name server one look-up takes many
//! seconds, although its dial gave up long ago. So look-ups run on no worker. A bounded number of threads
//! serves the whole process; look-ups of the same name in progress are shared; one that nobody waits for
//! any more is skipped, unless it has begun.
//!
//! ```text
//!   look_up(a) ─┐            ┌─ by_name: a ─▶ Lookup { answer, waiting } ◀── Waiting (a dial each)
//!   look_up(a) ─┼─▶ State ───┤                   ▲
//!   look_up(b) ─┘  (a lock)  └─ queue ───────────┘ taken by a thread, which wakes all that wait
//! ```
//! Lock order: `State`, `Lookup`. Nobody is woken, and nothing is resolved, under a lock.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use slab::Slab;

use crate::{
    addr::{Address, PeerAddress},
    error::{Error, Result},
    guard,
};

/// Threads of the process that look names up at the same time.
const THREADS: usize = 32;

/// Time without work after which a thread ends.
const IDLE: Duration = Duration::from_secs(5);

/// The addresses of a name.
type Answer = Result<Vec<PeerAddress>>;

/// Looks `address` up by the system's resolver, on a thread of the process.
pub(crate) fn look_up(address: &Address) -> Waiting {
    static SYSTEM: LazyLock<Lookups> = LazyLock::new(|| Lookups::new(THREADS, Address::resolve));
    SYSTEM.look_up(address)
}

/// A bounded set of threads and the look-ups that they serve.
#[derive(Clone)]
struct Lookups(Arc<Pool>);

struct Pool {
    state: Mutex<State>,
    /// Signalled for each look-up that is queued.
    queued: Condvar,
    most_threads: usize,
    resolve: fn(&Address) -> Answer,
}

#[derive(Default)]
struct State {
    /// The look-ups that have no answer yet.
    by_name: HashMap<Address, Arc<Lookup>>,
    /// Those that no thread has taken yet.
    queue: VecDeque<Arc<Lookup>>,
    /// Length of the queue at which it is cleaned up.
    purge_at: usize,
    threads: usize,
    idle: usize,
}

/// One look-up.
struct Lookup {
    address: Address,
    progress: Mutex<Progress>,
}

enum Progress {
    /// With a place for the waker of each waiter.
    Waiting(Slab<Option<Waker>>),
    Done(Answer),
}

/// A future of the addresses of a name. Dropping it abandons the look-up.
pub(crate) struct Waiting {
    lookup: Arc<Lookup>,
    key: usize,
}

impl Lookups {
    fn new(most_threads: usize, resolve: fn(&Address) -> Answer) -> Self {
        let (state, queued) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Pool { state, queued, most_threads, resolve }))
    }

    fn look_up(&self, address: &Address) -> Waiting {
        let state = &mut *self.0.state.lock();
        if let Some(waiting) = state.by_name.get(address).and_then(Lookup::join) {
            return waiting;
        }
        let lookup = Arc::new(Lookup {
            address: address.clone(),
            progress: Mutex::new(Progress::Waiting(Slab::new())),
        });
        let waiting = Lookup::join(&lookup).expect("a new look-up has no answer");
        state.forget_abandoned();
        state.by_name.insert(address.clone(), lookup.clone());
        state.queue.push_back(lookup.clone());
        if state.queue.len() > state.idle && state.threads < self.0.most_threads {
            if let Err(error) = self.start() {
                if state.threads == 0 {
                    state.queue.pop_back();
                    state.by_name.remove(address);
                    let context = "starting a thread that looks names up";
                    *lookup.progress.lock() = Progress::Done(Err(Error::io(context, error)));
                }
                return waiting;
            }
            state.threads += 1;
        }
        self.0.queued.notify_one();
        waiting
    }

    fn start(&self) -> std::io::Result<()> {
        let pool = self.clone();
        thread::Builder::new().name("netpoll-names".into()).spawn(move || pool.run()).map(drop)
    }

    /// Serves look-ups until there are none for a while.
    fn run(&self) {
        while let Some(lookup) = self.next() {
            // What the system's resolver loads may be anybody's code.
            let answer = guard::run(guard::Place::Resolver, || (self.0.resolve)(&lookup.address));
            let answer = answer.unwrap_or_else(|panicked| Err(panicked.into()));
            self.0.state.lock().by_name.remove(&lookup.address);
            lookup.finish(answer);
        }
    }

    /// Takes the next look-up that somebody waits for. `None` ends the thread.
    fn next(&self) -> Option<Arc<Lookup>> {
        let mut state = self.0.state.lock();
        loop {
            while let Some(lookup) = state.queue.pop_front() {
                if lookup.is_wanted() {
                    return Some(lookup);
                }
                state.by_name.remove(&lookup.address);
            }
            state.idle += 1;
            let late = self.0.queued.wait_for(&mut state, IDLE).timed_out();
            state.idle -= 1;
            if late && state.queue.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }
}

impl State {
    /// Removes abandoned look-ups from the queue, once it has doubled since the last time.
    fn forget_abandoned(&mut self) {
        if self.queue.len() < self.purge_at.max(64) {
            return;
        }
        let by_name = &mut self.by_name;
        self.queue.retain(|lookup| {
            let wanted = lookup.is_wanted();
            if !wanted {
                by_name.remove(&lookup.address);
            }
            wanted
        });
        self.purge_at = self.queue.len() * 2;
    }
}

impl Lookup {
    /// Adds a waiter. Returns `None` if there is an answer.
    fn join(self: &Arc<Self>) -> Option<Waiting> {
        match &mut *self.progress.lock() {
            Progress::Waiting(wakers) => {
                Some(Waiting { lookup: self.clone(), key: wakers.insert(None) })
            }
            Progress::Done(_) => None,
        }
    }

    fn is_wanted(&self) -> bool {
        matches!(&*self.progress.lock(), Progress::Waiting(wakers) if !wakers.is_empty())
    }

    fn finish(&self, answer: Answer) {
        let before = mem::replace(&mut *self.progress.lock(), Progress::Done(answer));
        if let Progress::Waiting(wakers) = before {
            wakers.into_iter().filter_map(|(_, waker)| waker).for_each(guard::wake);
        }
    }
}

impl Future for Waiting {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        // A waker may be another executor's: it is cloned and dropped without the lock.
        let mut waker = Some(cx.waker().clone());
        match &mut *self.lookup.progress.lock() {
            Progress::Waiting(wakers) => {
                mem::swap(&mut wakers[self.key], &mut waker);
                Poll::Pending
            }
            Progress::Done(Ok(peers)) => Poll::Ready(Ok(peers.clone())),
            Progress::Done(Err(error)) => Poll::Ready(Err(error.clone())),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let waker = match &mut *self.lookup.progress.lock() {
            Progress::Waiting(wakers) => wakers.remove(self.key),
            Progress::Done(_) => None,
        };
        guard::discard(guard::Place::Waker, waker);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        time::Instant,
    };

    use super::*;
    use crate::sched::block_on;

    /// Holds look-ups of hosts that begin with `slow` until it is released.
    static HELD: Mutex<bool> = Mutex::new(true);
    static RELEASED: Condvar = Condvar::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);

    fn address(host: &str) -> Address {
        Address::Tcp { host: host.to_owned(), port: 1 }
    }

    fn resolve(address: &Address) -> Answer {
        CALLS.fetch_add(1, SeqCst);
        if address.to_string().starts_with("slow") {
            let mut held = HELD.lock();
            while *held {
                RELEASED.wait(&mut held);
            }
        }
        Ok(vec![PeerAddress::Path(address.to_string().into())])
    }

    fn wait_until(what: impl Fn() -> bool) {
        let since = Instant::now();
        while !what() {
            assert!(since.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Polls once, so that a waiter's waker is there.
    fn poll(waiting: &mut Waiting) -> Poll<Answer> {
        Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn lookups_are_shared_bounded_and_skipped_when_abandoned() {
        let lookups = Lookups::new(2, resolve);
        let mut shared = [(); 10].map(|()| lookups.look_up(&address("slow-1")));
        let mut other = lookups.look_up(&address("slow-2"));
        wait_until(|| CALLS.load(SeqCst) == 2);
        assert!(shared.iter_mut().all(|waiting| poll(waiting).is_pending()));
        assert!(poll(&mut other).is_pending());
        // Both threads are busy: the queue holds what comes, and forgets what is given up.
        for n in 0..1_000 {
            drop(lookups.look_up(&address(&format!("gone-{n}"))));
            assert!(lookups.0.state.lock().queue.len() <= 65, "abandoned look-ups pile up");
        }
        let quick = lookups.look_up(&address("quick"));
        assert_eq!(lookups.0.state.lock().threads, 2);
        *HELD.lock() = false;
        RELEASED.notify_all();
        assert_eq!(block_on(quick).unwrap(), [PeerAddress::Path("quick:1".into())]);
        for waiting in shared {
            assert_eq!(block_on(waiting).unwrap(), [PeerAddress::Path("slow-1:1".into())]);
        }
        assert_eq!(CALLS.load(SeqCst), 3, "one for each name that somebody waited for");
        wait_until(|| lookups.0.state.lock().by_name.is_empty());
    }
}
