//! The right to write: of many threads that have output, one writes to the socket.
//!
//! ```text
//!   sender                          writer                          turn that ends the connection
//!   WRITING was clear: writes       clear MORE, take what waits     set FINISHED
//!   else: append, set MORE          write                           WRITING was clear: close
//!                                   clear WRITING                   else: wait for the writer
//!                                   MORE, or room: begin again      which schedules the turn
//! ```
//! All steps are of one word, so that they have one order:
//! - who appends and then finds `WRITING` set has set `MORE` before the writer clears `WRITING`, and
//!   the writer looks at `MORE` after that: nothing is left behind;
//! - the selector sets `WRITABLE` before it looks for a writer, and a writer that found the socket
//!   full looks at `WRITABLE` after it has cleared `WRITING`: no room is missed;
//! - `FINISHED` and `WRITING` are set in one order: either the turn sees the writer, and waits, or the
//!   writer sees the end, and does not touch the socket, whose number may be another's by then.

use super::state::mark;
use crate::sched::state_word::StateWord;

/// Whose output it is.
pub(super) trait Outlet {
    /// What is written.
    type Bytes: Default;

    fn state_word(&self) -> &StateWord;

    /// Takes `bytes` and puts them behind what waits.
    fn append(&self, bytes: &mut Self::Bytes);

    /// Takes what waits, with `last` behind it, and writes it; `last` is left empty. What the socket does
    /// not take waits again, in front.
    fn write(&self, last: &mut Self::Bytes) -> Written;

    /// The writer has stopped for now; `word` is the state_word's from just before.
    fn stopped(&self, word: u32);

    /// The connection has ended: throws away what waits.
    fn ended(&self);
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Nothing waits any more, or the connection broke.
    All,
    /// The socket is full.
    Full,
}

/// What a writer finds when it has given the right to write back.
#[derive(PartialEq, Eq)]
enum Released {
    /// Nothing more to do.
    Free,
    /// The right to write is taken again: somebody came meanwhile, and left.
    Again,
}

/// Sends `bytes` after all that was given before. They are left where the connection has ended.
#[inline]
pub(super) fn send<O: Outlet>(outlet: &O, bytes: &mut O::Bytes) {
    if claim(outlet.state_word()) {
        return write_out(outlet, bytes);
    }
    outlet.append(bytes);
    flush(outlet);
}

/// Sends as [`send`] does, but offers `bytes` to `gather` first where nobody writes. If that takes them, the
/// right to write stays taken until [`resume`].
pub(super) fn offer<O: Outlet>(
    outlet: &O,
    bytes: &mut O::Bytes,
    gather: impl FnOnce(&mut O::Bytes) -> bool,
) {
    if !claim(outlet.state_word()) {
        outlet.append(bytes);
        flush(outlet);
    } else if !gather(bytes) {
        write_out(outlet, bytes);
    }
}

/// Goes on after the bytes that an [`offer`] took have been sent, as far as possible: writes what waits, and
/// gives the right to write back.
pub(super) fn resume<O: Outlet>(outlet: &O) {
    write_out(outlet, &mut O::Bytes::default());
}

/// Writes what waits, unless another thread does, which then goes on.
pub(super) fn flush<O: Outlet>(outlet: &O) {
    if outlet.state_word().set(mark::WRITING | mark::MORE) & mark::WRITING == 0 {
        write_out(outlet, &mut O::Bytes::default());
    }
}

/// Runs `f` as a writer, so that nobody closes the socket meanwhile. `None`: somebody writes, or the
/// connection has ended.
pub(super) fn borrow<O: Outlet, T>(outlet: &O, f: impl FnOnce() -> T) -> Option<T> {
    let state_word = outlet.state_word();
    if state_word.load() & mark::FINISHED != 0 || !claim(state_word) {
        return None;
    }
    let result = (state_word.load() & mark::FINISHED == 0).then(f);
    if release(outlet, mark::MORE) == Released::Again {
        write_out(outlet, &mut O::Bytes::default());
    }
    result
}

/// Ends the writing; only by the turn. The word before: if it has `WRITING`, a writer still uses the
/// socket, and [`Outlet::stopped`] or [`Outlet::ended`] is called after that.
pub(super) fn finish(state_word: &StateWord) -> u32 {
    state_word.set(mark::FINISHED)
}

/// True: this thread writes, until it [`release`]s.
fn claim(state_word: &StateWord) -> bool {
    state_word.set(mark::WRITING) & mark::WRITING == 0
}

/// Only for the thread that set `WRITING`, which this clears.
fn write_out<O: Outlet>(outlet: &O, last: &mut O::Bytes) {
    loop {
        let word = outlet.state_word().load();
        if word & mark::MORE != 0 {
            // Before what waits is taken: who appends after that sets it again.
            outlet.state_word().clear(mark::MORE);
        }
        if word & mark::FINISHED != 0 {
            outlet.ended();
            let word = outlet.state_word().clear(mark::WRITING | mark::MORE);
            return outlet.stopped(word);
        }
        let news = match outlet.write(last) {
            Written::All => mark::MORE,
            Written::Full => mark::WRITABLE,
        };
        if release(outlet, news) == Released::Free {
            return;
        }
    }
}

/// Clears `WRITING`, and takes it again if somebody came before that and left, with `news`: more to write,
/// or that there is room again.
fn release<O: Outlet>(outlet: &O, news: u32) -> Released {
    let state_word = outlet.state_word();
    outlet.stopped(state_word.clear(mark::WRITING));
    if state_word.load() & news != 0 && claim(state_word) {
        Released::Again
    } else {
        Released::Free
    }
}
