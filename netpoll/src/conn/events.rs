//! What happens to a connection: events, timers, wakes. Each is noted in its word, and queues a turn.

use std::{sync::Arc, task::Wake};

use super::{
    core::Conn,
    deadlines::Kind,
    disconnect,
    reason::CloseReason,
    state::{event, mark},
    wait::News,
};
use crate::{
    poller::{Event, Readiness},
    sched::{
        state_word::StateWord,
        turn::{Ready, Scratch, Source, Turn},
    },
};

impl Source for Conn {
    fn on_event(self: Arc<Self>, event: Event, ready: &mut Ready) {
        let Event::Ready(now) = event;
        let bits = marks_of(now);
        let before = self.state_word.notify(bits);
        let gone = bits & (mark::READ_CLOSED | mark::HUNG_UP) != 0;
        if before & mark::WAITING != 0 {
            self.wake_waiters(before, news_of(bits));
        }
        // A handler that works or waits keeps the turn, or no handler may start and the turn lies aside:
        // what needs none is done here.
        if before & StateWord::TURN != 0 && bits & mark::WRITABLE != 0 && self.pending() > 0 {
            self.flush();
        }
        let gone = gone && self.has_peer_gone(before | bits);
        if before & StateWord::RUNNING != 0 && gone && disconnect::may_claim(before) {
            ready.push(Arc::new(Disconnect { conn: self.clone(), bits }));
        }
        if StateWord::must_queue(before) {
            ready.push(self);
        }
    }

    fn on_timer(self: Arc<Self>, now: u64, ready: &mut Ready) {
        if !self.deadlines.fired(now) {
            return;
        }
        if !self.deadlines.any_passed(now) {
            return self.arm();
        }
        let before = self.state_word.notify(event::TIMER);
        // A request's deadline is what `Cancel` tells of; other timers concern the turn.
        if self.deadlines.passed(Kind::Request, now) {
            self.wake_waiters(before, News::End.bit());
        }
        if StateWord::must_queue(before) {
            ready.push(self);
        }
    }

    fn on_shutdown(self: Arc<Self>) {
        self.end(mark::ABORTING, CloseReason::Shutdown);
    }
}

/// The marks that an event sets.
#[inline]
fn marks_of(now: Readiness) -> u32 {
    let marks = [
        (now.is_readable(), mark::READABLE),
        (now.is_writable(), mark::WRITABLE),
        (now.is_read_closed(), mark::READ_CLOSED | mark::READABLE),
        (now.contains(Readiness::URGENT), mark::CUT_READS | mark::READABLE),
        (now.is_hung_up(), mark::HUNG_UP | mark::READABLE | mark::WRITABLE),
    ];
    let set = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark);
    set.fold(event::IO | mark::HEARD, |all, mark| all | mark)
}

/// The news for waiters in the marks of an event.
#[cold]
fn news_of(bits: u32) -> u8 {
    let news = [
        (u32::MAX, News::Setup),
        (mark::READ_CLOSED | mark::HUNG_UP, News::End),
        (mark::READABLE, News::Bytes),
        (mark::WRITABLE, News::Room),
    ];
    let news = news.into_iter().filter(|(marks, _)| bits & marks != 0);
    news.fold(0, |all, (_, news)| all | news.bit())
}

/// A turn that runs `on_disconnect` beside the connection's own, which is in a handler. The hook may
/// wait, so that it is not called by the poller.
struct Disconnect {
    conn: Arc<Conn>,
    /// How the peer went.
    bits: u32,
}

impl Turn for Disconnect {
    fn run(self: Arc<Self>, _scratch: &mut Scratch) {
        if let Some(handler) = self.conn.handler() {
            self.conn.disconnect(&**handler, self.bits);
        }
    }
}

/// A future of the handler's was woken: the turn polls it.
impl Wake for Conn {
    fn wake(self: Arc<Self>) {
        self.schedule(event::WAKE);
    }
}
