//! The turn of a connection: from events to answers, on one thread.

use std::{
    mem::{self, offset_of},
    sync::{Arc, atomic::Ordering::Acquire},
};

use super::{
    connection::Connection,
    core::Conn,
    deadlines::Kind,
    handler::{After, Handler},
    linger::Linger,
    read::Intake,
    reason::CloseReason,
    recv::Recv,
    state::{self, Phase, event, mark},
    step::Step,
    timeouts::Judged,
    wait::News,
};
use crate::{
    sched::turn::{About, Scratch, Turn, fetch},
    sys::prefetch,
};

/// Bytes of the receive state that every turn touches.
const RECEIVE_STATE: usize = offset_of!(Recv, linger);

/// The same of a handler, about: it comes with its service's session and scanner, of any size.
const HANDLER: usize = 176;

impl Turn for Conn {
    fn run(self: Arc<Self>, scratch: &mut Scratch) {
        let conn = Connection::unowned(self);
        let word = conn.conn.state_word.begin();
        state::check(word);
        let turned = conn.take_turn(scratch, word);
        conn.conn.arm();
        state::check(conn.conn.state_word.load());
        if conn.conn.state_word.end(turned == Turned::Again) {
            conn.conn.shard.push(conn.conn.clone());
        }
    }

    fn run_io(self: Arc<Self>) {
        // No handler may start: what was answered is still sent. The events stay for the turn.
        if self.pending() > 0 {
            self.flush();
        }
    }

    fn fetch_parts(&self) {
        prefetch::<RECEIVE_STATE>(self.recv_at);
        if let Some(handler) = self.handler() {
            fetch::<HANDLER, _>(&**handler);
        }
    }

    fn about(&self) -> About {
        // A handshake computes for longer than a handler that is pure computation may.
        let never = mark::DETACHED | mark::HANDSHAKING;
        let inline = self.state_word.load() & (mark::INLINE | never) == mark::INLINE;
        About { connection: Some(self.id), inline }
    }

    fn is_handler(&self) -> bool {
        // Without a handler a turn is the runtime's own work, such as a dial's handshake: a handler may be
        // waiting for it.
        self.handler().is_some_and(|handler| !handler.brief())
    }
}

/// What a turn leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// Nothing to do until something happens.
    Idle,
    /// There is more to do at once: behind the turns that wait.
    Again,
}

impl Connection {
    #[inline]
    fn take_turn(&self, scratch: &mut Scratch, word: u32) -> Turned {
        let conn = &self.conn;
        if conn.pending() > 0 && word & (event::IO | event::FLUSH) != 0 {
            conn.flush();
        }
        if word & event::TIMER != 0 {
            conn.judge_writing();
        }
        if word & event::FLUSH != 0 {
            conn.shut_if_drained();
        }
        // Flags that came since `begin` count: some of them this turn has set itself.
        let word = word | conn.state_word.load();
        let ends = word & (mark::ABORTING | mark::FINISHED) != 0
            || word & mark::CLOSING != 0 && conn.has_sent_all();
        if ends {
            let recv = conn.recv.take();
            return conn.end_turn(recv);
        }
        if word & mark::TRANSPORT != 0 {
            if Phase::of(conn.state_word.load()) == Phase::Handshaking {
                return self.handshake(word);
            }
            if word & event::WAKE != 0 {
                conn.send_own_output();
            }
        }
        match conn.handler() {
            Some(handler) if word & mark::CLOSING == 0 => {
                let recv = conn.recv.take();
                self.serve(handler, recv, scratch, word)
            }
            // What was received belongs to a reader, which may come at any time.
            _ => {
                conn.look_after(word);
                // Readers and writers look again; an end was told by who brought it.
                let news = News::Bytes.bit() | News::Room.bit();
                let word = conn.state_word.load();
                // A future that reads runs at once, before the next look at the selector.
                scratch.by_memory |= word & mark::WAITING != 0;
                conn.wake_waiters(word, news);
                Turned::Idle
            }
        }
    }

    /// Runs the handler on what was received.
    #[inline]
    fn serve(
        &self,
        handler: &Arc<dyn Handler>,
        recv: Option<Box<Recv>>,
        scratch: &mut Scratch,
        word: u32,
    ) -> Turned {
        let conn = &self.conn;
        let busy = recv.as_ref().is_none_or(|recv| recv.busy);
        if busy && conn.has_peer_gone(word) {
            conn.disconnect(&**handler, word);
        }
        // What came in time is read and handled before a deadline is judged: nobody ran meanwhile, perhaps.
        let timer = word & event::TIMER != 0;
        let mut recv = recv;
        if timer && let Some(recv) = &mut recv {
            recv.readable = true;
        }
        let &mut Scratch { ref mut block, ref mut out, looked, room, gathers, .. } = scratch;
        out.renew_spare();
        let mut step = Step { conn: self, recv, out, intake: Intake { block, looked, room } };
        if let Some(recv) = &mut step.recv
            && mem::take(&mut recv.full)
        {
            if conn.pending() > conn.options.write_low {
                recv.full = true;
                if timer
                    && conn.judge_receiving(handler, self, step.recv.as_deref()) == Judged::Ends
                {
                    return conn.end_turn(step.recv);
                }
                return conn.await_low_mark(step.recv);
            }
            conn.state_word.clear(mark::FULL);
        }
        let consumed = step.recv.as_ref().filter(|_| !busy).map(|recv| recv.consumed());
        let after = handler.step(&mut step);
        let Step { mut recv, out, intake, .. } = step;
        if let (Some(recv), Some(block)) = (&mut recv, intake.block) {
            recv.input.give_back(block);
        }
        out.flush();
        if !out.is_empty() && !conn.is_over() {
            conn.send_by_turn(out, gathers);
        }
        out.spend();
        let recv = recv.or_else(|| conn.recv.take());
        if conn.options.idle_timeout.is_some()
            && !handler.brief()
            && recv.as_ref().map(|recv| recv.consumed()) != consumed
        {
            // A request was handled: the peer's silence begins now.
            conn.set_deadline(Kind::Idle, conn.options.idle_timeout);
        }
        conn.settle(handler, recv, after, timer)
    }
}

impl Conn {
    /// The connection is to end: with what was received, or later, when its reader gives it back.
    pub(super) fn end_turn(self: &Arc<Self>, recv: Option<Box<Recv>>) -> Turned {
        let recv = recv.or_else(|| {
            // A future that has the reader, and that nobody polls any more.
            self.handler()?.give_up();
            self.recv.take()
        });
        let Some(mut recv) = recv else {
            self.wake_waiters(self.state_word.load(), News::ALL);
            return Turned::Idle;
        };
        match self.linger(&mut recv) {
            Linger::Over => self.finish(recv),
            Linger::Wait => self.put_back(Some(recv)),
            Linger::Again => {
                self.put_back(Some(recv));
                return Turned::Again;
            }
        }
        Turned::Idle
    }

    /// Brings the connection into the state that the step's end asks for.
    #[inline]
    fn settle(
        self: &Arc<Self>,
        handler: &Arc<dyn Handler>,
        recv: Option<Box<Recv>>,
        after: After,
        timer: bool,
    ) -> Turned {
        let Some(mut recv) = recv else {
            // A future or another thread has the reader.
            self.deadlines.clear(Kind::Frame);
            if timer {
                let conn = Connection::unowned(self.clone());
                self.judge_receiving(handler, &conn, None);
            }
            return Turned::Idle;
        };
        recv.busy = matches!(after, After::Busy | After::Pending);
        recv.full = matches!(after, After::Full);
        let mut turned = Turned::Idle;
        match after {
            After::Wait => {
                if recv.eof && !self.stays_half_open(handler, &mut recv) {
                    self.set_reason(CloseReason::Eof);
                    return self.close_by_turn(recv);
                }
                self.watch_frame(&mut recv);
            }
            After::Again => turned = Turned::Again,
            After::Busy => self.deadlines.clear(Kind::Frame),
            After::Pending => self.watch_frame(&mut recv),
            After::Full => {
                self.deadlines.clear(Kind::Frame);
                return self.await_low_mark(Some(recv));
            }
            After::Close(reason) => {
                self.set_reason(reason);
                return self.close_by_turn(recv);
            }
            After::Abort(reason) => {
                self.set_reason(reason);
                self.state_word.set(mark::ABORTING);
                return self.end_turn(Some(recv));
            }
            After::Detach => {
                self.deadlines.clear(Kind::Frame);
                self.set_deadline(Kind::Idle, self.options.idle_timeout);
                self.put_back(Some(recv));
                self.detach();
                handler.closed(&Connection::unowned(self.clone()), CloseReason::Detached);
                self.end_if_deserted();
                return Turned::Idle;
            }
        }
        // With more to read at once, the next turn judges.
        if timer && turned == Turned::Idle {
            let conn = Connection::unowned(self.clone());
            if self.judge_receiving(handler, &conn, Some(&recv)) == Judged::Ends {
                return self.end_turn(Some(recv));
            }
        }
        self.put_back(Some(recv));
        turned
    }

    pub(super) fn put_back(&self, recv: Option<Box<Recv>>) {
        if recv.is_some() {
            self.recv.store(recv);
        }
    }

    /// Nothing is handled until little output is pending: `Again` if that is so already.
    fn await_low_mark(&self, recv: Option<Box<Recv>>) -> Turned {
        self.put_back(recv);
        // Whoever writes looks at the mark after it has written: one of the two sees the other.
        self.state_word.set(mark::FULL);
        if self.pending() <= self.options.write_low { Turned::Again } else { Turned::Idle }
    }

    /// Ends the connection as soon as what waits is sent.
    fn close_by_turn(self: &Arc<Self>, recv: Box<Recv>) -> Turned {
        self.state_word.set(mark::CLOSING);
        self.deadlines.clear(Kind::Frame);
        self.deadlines.clear(Kind::Idle);
        if self.has_sent_all() {
            return self.end_turn(Some(recv));
        }
        self.put_back(Some(recv));
        Turned::Idle
    }

    /// A turn of a connection without a handler, or that only sends its last.
    fn look_after(self: &Arc<Self>, word: u32) {
        if word & event::TIMER != 0 {
            let idles = self.deadlines.passed(Kind::Idle, self.shard.clock.now_ms());
            let closes = word & mark::CLOSING != 0;
            self.deadlines.clear(Kind::Frame);
            self.deadlines.clear(Kind::Request);
            if idles || closes {
                self.deadlines.clear(Kind::Idle);
            }
            if idles && !closes {
                self.end(mark::CLOSING, CloseReason::IdleTimeout);
            }
        }
        if word & (mark::DETACHED | mark::CLOSING) == mark::DETACHED {
            self.end_if_deserted();
        }
    }

    /// Ends a detached connection of which nobody has a handle any more. The last handle that goes schedules a
    /// turn, which looks here.
    fn end_if_deserted(self: &Arc<Self>) {
        if self.handles.load(Acquire) == 0 {
            let gone = self.has_peer_gone(self.state_word.load());
            self.end(mark::CLOSING, if gone { CloseReason::Eof } else { CloseReason::Local });
        }
    }
}
