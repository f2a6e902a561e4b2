//! What happens to a connection: events, timers, wakes. Each is noted in its word, and queues a turn.

use std::{sync::Arc, task::Wake};

use super::{
    core::Conn,
    reason::CloseReason,
    state::{event, mark},
};
use crate::{
    poller::Event,
    sched::{
        gate::Gate,
        turn::{Ready, Source},
    },
};

impl Source for Conn {
    fn on_event(self: Arc<Self>, event: Event, ready: &mut Ready) {
        let mut bits = event::IO | mark::HEARD;
        match event {
            Event::Ready(now) => {
                for (is, mark) in [
                    (now.is_readable(), mark::READABLE),
                    (now.is_writable(), mark::WRITABLE),
                    (now.is_read_closed(), mark::READ_CLOSED | mark::READABLE),
                    (now.is_hung_up(), mark::HUNG_UP | mark::READABLE | mark::WRITABLE),
                ] {
                    bits |= if is { mark } else { 0 };
                }
            }
            // A completion driver's: what came waits where the turn's next read finds it.
            Event::Received(bytes) => {
                bits |= mark::READABLE
                    | mark::ARRIVED
                    | if bytes.is_empty() { mark::READ_CLOSED } else { 0 };
                self.arrived.lock().push(bytes);
            }
            Event::Sent(n) => {
                bits |= mark::WRITABLE;
                self.less_pending(n);
            }
            Event::Accepted(_) => {}
        }
        let before = self.gate.notify(bits);
        self.wake_waiters(before);
        let gone = bits & (mark::READ_CLOSED | mark::HUNG_UP) != 0;
        // A handler that works or waits keeps the turn, or no handler may start and the turn lies aside:
        // what needs none is done here.
        if before & Gate::TURN != 0 && bits & mark::WRITABLE != 0 && self.pending() > 0 {
            self.flush();
        }
        if before & Gate::RUNNING != 0
            && gone
            && let Some(handler) = self.handler()
        {
            self.disconnect(&**handler, bits);
        }
        if Gate::must_queue(before) {
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
        let before = self.gate.notify(event::TIMER);
        self.wake_waiters(before);
        if Gate::must_queue(before) {
            ready.push(self);
        }
    }

    fn on_shutdown(self: Arc<Self>) {
        self.end(mark::ABORTING, CloseReason::Shutdown);
    }
}

/// A future of the handler's was woken: the turn polls it.
impl Wake for Conn {
    fn wake(self: Arc<Self>) {
        self.schedule(event::WAKE);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::{fd::OwnedFd, unix::net::UnixStream},
        sync::atomic::Ordering::AcqRel,
        time::Duration,
    };

    use super::*;
    use crate::{
        ErrorKind, PeerAddress, Runtime, conn::Connection, mem::Slice, sched::park, sys::Socket,
    };

    /// A connection whose peer never sends: what it reads comes with events.
    fn quiet(runtime: &Runtime) -> (Arc<Conn>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = Socket::from(OwnedFd::from(ours));
        let conn =
            Conn::open(runtime.shared(), socket, PeerAddress::Unnamed, Arc::default(), |_| None);
        (conn.unwrap(), theirs)
    }

    /// What the poller's driver does with an event.
    fn tell_of(conn: &Arc<Conn>, event: Event) {
        let mut ready = Ready::new();
        conn.clone().on_event(event, &mut ready);
        for turn in ready {
            conn.home.push(turn);
        }
    }

    #[test]
    fn what_a_completion_driver_received_is_read() {
        let runtime = Runtime::builder().pollers(1).build().unwrap();
        let (conn, _peer) = quiet(&runtime);
        let mut reader = Connection::unowned(conn.clone()).reader().unwrap();
        let tell = conn.clone();
        let driver = std::thread::spawn(move || {
            for text in [&b"hel"[..], b"lo", b""] {
                let bytes = Slice::from_bytes(bytes::Bytes::from_static(text)).unwrap();
                tell_of(&tell, Event::Received(bytes));
            }
        });
        assert_eq!(reader.next(5).unwrap(), b"hello");
        assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof);
        driver.join().unwrap();
    }

    #[test]
    fn what_a_completion_driver_sent_is_no_longer_pending() {
        let runtime = Runtime::builder().pollers(1).build().unwrap();
        let (conn, _peer) = quiet(&runtime);
        conn.pending.fetch_add(100, AcqRel);
        tell_of(&conn, Event::Sent(60));
        assert_eq!(conn.pending(), 40);
        conn.less_pending(40);
        Connection::unowned(conn.clone()).close();
        let closed = park::wait_for(
            Connection::unowned(conn.clone()).closed(),
            Some(conn.home.clock.after(Duration::from_secs(10))),
        );
        assert_eq!(closed, Some(CloseReason::Local));
    }
}
