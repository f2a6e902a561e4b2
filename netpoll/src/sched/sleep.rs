//! A future that is ready after some time, on a runtime's timer wheel.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    context,
    runtime::Runtime,
    shard::Shard,
    shared::Shared,
    turn::{Ready, Source},
};
use crate::{
    error::{Error, ErrorKind, Result},
    guard,
    poller::{Event, Token},
    primitive::{
        Mutex,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    timer::Clock,
};

/// See [`sleep`].
#[must_use = "a future does nothing until it is polled"]
pub struct Sleep {
    /// Where it is armed; the default runtime if it was made outside of any.
    shared: Option<Arc<Shared>>,
    clock: Clock,
    at: u64,
    armed: Option<Armed>,
}

struct Armed {
    alarm: Arc<Alarm>,
    shared: Arc<Shared>,
    shard: Arc<Shard>,
    token: Token,
}

#[derive(Default)]
struct Alarm {
    rung: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// Ready after `duration`, to the millisecond above. Made inside a handler or a spawned future it uses
/// that runtime's clock and timer wheel, elsewhere the default runtime's; it may be awaited under any
/// executor.
///
/// ```
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// netpoll::block_on(netpoll::sleep(Duration::from_millis(5)));
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(context::current(), duration)
}

impl Sleep {
    fn new(shared: Option<Arc<Shared>>, duration: Duration) -> Self {
        let clock = shared.as_ref().map(|shared| shared.settings.clock).unwrap_or_default();
        Self { at: clock.tick_after(duration), clock, shared, armed: None }
    }
}

/// As [`sleep`], on the clock and the wheel of `shared`.
pub(crate) fn sleep_on(shared: &Arc<Shared>, duration: Duration) -> Sleep {
    Sleep::new(Some(shared.clone()), duration)
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.now_ms() >= self.at {
            return Poll::Ready(());
        }
        let this = &mut *self;
        let armed = this.armed.get_or_insert_with(|| Armed::new(this.shared.take(), this.at));
        armed.alarm.poll(cx)
    }
}

impl Armed {
    fn new(shared: Option<Arc<Shared>>, at: u64) -> Self {
        if let Some(shared) = shared {
            let own = Self::at(shared, at);
            // A shutdown that begins after this line finds the alarm and rings it.
            if own.shared.check_open().is_ok() {
                return own;
            }
            if own.shard.clock != Clock::default() {
                // No other runtime has this clock.
                own.alarm.ring();
                return own;
            }
        }
        Self::at(Runtime::global().shared().clone(), at)
    }

    fn at(shared: Arc<Shared>, at: u64) -> Self {
        let shard = shared.place().clone();
        let alarm = Arc::new(Alarm::default());
        let token = shard.poller.insert(alarm.clone());
        shard.arm(at, token);
        Self { alarm, shared, shard, token }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.shared.remove(&self.shard, self.token, None);
    }
}

impl Alarm {
    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let before = self.waker.lock().replace(waker);
        drop(before);
        // It may have rung since the look at the clock, before the waker was there.
        if self.rung.load(Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn ring(&self) {
        self.rung.store(true, Release);
        let waker = self.waker.lock().take();
        waker.into_iter().for_each(guard::wake);
    }
}

impl Source for Alarm {
    fn on_event(self: Arc<Self>, _: Event, _: &mut Ready) {}

    fn on_timer(self: Arc<Self>, _: u64, _: &mut Ready) {
        self.ring();
    }

    fn on_shutdown(self: Arc<Self>) {
        self.ring();
    }
}

/// `future` with an end: `TimedOut` if it is not ready within `duration`.
///
/// ```
/// use std::time::Duration;
/// let late = netpoll::timeout(Duration::from_millis(2), std::future::pending::<()>());
/// assert_eq!(netpoll::block_on(late).unwrap_err().kind(), netpoll::ErrorKind::TimedOut);
/// ```
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { duration, sleep: sleep(duration), future: Box::pin(future) }
}

/// As [`timeout`], on the clock and the wheel of `shared`.
pub(crate) fn timeout_on<F: Future>(
    shared: &Arc<Shared>,
    duration: Duration,
    future: F,
) -> Timeout<F> {
    Timeout { duration, sleep: sleep_on(shared, duration), future: Box::pin(future) }
}

/// See [`timeout`].
#[must_use = "a future does nothing until it is polled"]
pub struct Timeout<F> {
    duration: Duration,
    sleep: Sleep,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let duration = self.duration;
        Pin::new(&mut self.sleep)
            .poll(cx)
            .map(|()| Err(Error::new(ErrorKind::TimedOut, format!("not done within {duration:?}"))))
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("duration", &self.duration).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("at_ms", &self.at).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::future::poll_fn;

    use super::*;
    use crate::{primitive::thread, sched::block_on};

    /// An alarm rings, twice as at a shutdown, while somebody begins to wait for it.
    #[test]
    fn loom_no_alarm_is_slept_through() {
        loom::model(|| {
            let alarm = Arc::new(Alarm::default());
            let rings = [(); 2].map(|()| {
                let alarm = alarm.clone();
                thread::spawn(move || alarm.ring())
            });
            assert_eq!(block_on::wait_for(poll_fn(|cx| alarm.poll(cx)), None), Some(()));
            for ring in rings {
                ring.join().unwrap();
            }
        });
    }
}
