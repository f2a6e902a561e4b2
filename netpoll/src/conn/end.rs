//! The end of a connection: asked for by anyone, carried out by its turn.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    connection::Connection,
    core::{Conn, OnClose},
    disconnect,
    handler::Handler,
    reason::CloseReason,
    recv::Recv,
    state::{event, mark},
    wait::News,
};
use crate::{
    error::{Error, ErrorKind},
    guard::{self, Place},
};

impl Conn {
    /// Asks for the connection's end: `CLOSING` sends what waits first, `ABORTING` does not.
    pub(crate) fn end(self: &Arc<Self>, how: u32, reason: CloseReason) {
        if self.state_word.load() & mark::FINISHED != 0 {
            return;
        }
        let _ = self.reason.set(reason);
        self.schedule(how | event::FLUSH);
        self.wake_waiters(self.state_word.load(), News::ALL);
    }

    /// Why it ended or will; the first reason counts.
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        self.reason.get().copied()
    }

    pub(super) fn set_reason(&self, reason: CloseReason) -> CloseReason {
        *self.reason.get_or_init(|| reason)
    }

    /// The error for using a connection that has ended.
    pub(crate) fn closed_error(&self) -> Error {
        let why = self.reason().map_or("it was closed".to_owned(), |reason| reason.to_string());
        Error::new(ErrorKind::Closed, format!("the connection is closed: {why} ({self})"))
    }

    pub(crate) fn add_close_callback(self: &Arc<Self>, callback: OnClose) {
        let mut callbacks = self.on_close.lock();
        // `finish` sets the mark before it takes the list.
        if self.state_word.load() & mark::FINISHED == 0 {
            return callbacks.push(callback);
        }
        drop(callbacks);
        let reason = self.reason().unwrap_or(CloseReason::Local);
        run_callback(&Connection::unowned(self.clone()), reason, callback);
    }

    /// The end itself; only by the turn, whose `recv` this is. While a writer is in a system call or
    /// `on_disconnect` runs on the poller it does nothing: those schedule the turn again.
    pub(super) fn finish(self: &Arc<Self>, recv: Box<Recv>) {
        let Some(word) = disconnect::finish(&self.state_word) else {
            self.recv.store(Some(recv));
            return;
        };
        drop(recv);
        if let Some(token) = self.token.get() {
            let fd = self.endpoint.descriptor();
            self.runtime.remove(&self.shard, *token, fd);
        }
        if self.state_word.load() & mark::ABORTING != 0 {
            // Best effort: without it the peer reads an end instead of an error.
            let _ = self.endpoint.reset_on_close();
        } else if word & mark::HUNG_UP == 0 {
            self.endpoint.shutdown();
        }
        self.endpoint.close();
        self.drop_transport();
        self.send.lock().clear();
        self.pending.store(0, Relaxed);
        let reason = self.set_reason(CloseReason::Local);
        self.wake_waiters(self.state_word.load(), News::ALL);
        let conn = Connection::unowned(self.clone());
        if let Some(handler) = self.handler() {
            if let Some(error) = self.take_failure() {
                handler.failed(&conn, &error);
            }
            // The peer may have gone although this side's reason was the first.
            let gone = if reason.by_peer() { Some(reason) } else { peer_went(word) };
            if let Some(why) = gone
                && disconnect::is_untold(word)
            {
                handler.disconnected(&conn, why);
            }
            handler.closed(&conn, reason);
        }
        let callbacks = std::mem::take(&mut *self.on_close.lock());
        for callback in callbacks {
            run_callback(&conn, reason, callback);
        }
        self.count(-1);
    }

    /// The peer went, as `bits` say, while a request is under way: runs `on_disconnect`, if
    /// `on_connect` has run and nobody was first.
    pub(super) fn disconnect(self: &Arc<Self>, handler: &dyn Handler, bits: u32) {
        if !disconnect::claim(&self.state_word) {
            return;
        }
        if let Some(why) = peer_went(bits) {
            handler.disconnected(&Connection::unowned(self.clone()), why);
        }
        if disconnect::told(&self.state_word) {
            self.schedule(event::FLUSH);
        }
    }
}

/// How the peer went, if `word` says that it did.
fn peer_went(word: u32) -> Option<CloseReason> {
    if word & mark::HUNG_UP != 0 {
        return Some(CloseReason::Reset);
    }
    (word & mark::READ_CLOSED != 0).then_some(CloseReason::Eof)
}

/// Runs a callback of the user's, whose panic ends with it.
fn run_callback(conn: &Connection, reason: CloseReason, callback: OnClose) {
    // An error has been counted and logged.
    let _ = guard::run(Place::CloseCallback, || callback(conn, reason));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        io::Read,
        net::{TcpListener, TcpStream},
        os::fd::OwnedFd,
        time::Duration,
    };

    use super::*;
    use crate::{PeerAddress, Runtime, sys::Endpoint, transport::Role};

    /// As a forked child does, which a close alone would wait for.
    #[test]
    fn a_close_is_seen_though_another_process_holds_the_descriptor() {
        let runtime = Runtime::builder().pollers(1).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let ours = listener.accept().unwrap().0;
        ours.set_nonblocking(true).unwrap();
        let held = ours.try_clone().unwrap();
        let endpoint = Endpoint::from(OwnedFd::from(ours));
        let address = PeerAddress::Inet(peer.local_addr().unwrap());
        let shared = runtime.shared();
        let conn =
            Conn::open(shared, endpoint, address, Arc::default(), Role::Client, |_| None).unwrap();
        Connection::owned(conn).close();
        assert_eq!(peer.read(&mut [0; 9]).unwrap(), 0);
        drop(held);
    }
}
