//! The in-flight table of one connection. Its calls end by replies, by the connection's end, or by their
//! callers.
//!
//! Whoever takes a call out of the table ends it. A caller that leaves ends it before, under the call's
//! own lock: whoever takes it then finds it ended.

use std::{sync::Arc, task::Waker};

use super::numbers::{Entry, Numbers, Took};
use crate::{
    buf::LinkSlice,
    client::{
        call::{Call, Place},
        call_connection::Started,
    },
    guard,
    primitive::Mutex,
};

/// The in-flight table; `L` is the connection.
pub(super) struct Table<L>(Mutex<State<L>>);

struct State<L> {
    numbers: Numbers<Arc<Call<L>>>,
    /// No more calls are taken.
    over: bool,
}

/// The frames of a turn, sorted.
pub(super) struct Sorted<L> {
    pub(super) replies: Vec<(Arc<Call<L>>, LinkSlice)>,
    /// Of calls that were abandoned.
    pub(super) late: u64,
    /// Under numbers that were never handed out.
    pub(super) pushes: Vec<LinkSlice>,
    /// Numbers still in use.
    pub(super) left: usize,
}

/// The state after a call was abandoned.
pub(super) struct Abandoned {
    /// It was there.
    pub(super) had: bool,
    /// Too many numbers are in use for calls like it.
    pub(super) spent: bool,
}

impl<L> Table<L> {
    /// A table with numbers up to `max`.
    pub(super) fn new(max: u64) -> Self {
        Self(Mutex::new(State { numbers: Numbers::new(max), over: false }))
    }

    /// Takes a call, whose caller is woken to send it. Also gives how many numbers are in use.
    pub(super) fn start(&self, connection: &Arc<L>, call: Arc<Call<L>>) -> (Started<L>, usize) {
        let mut woken: Option<Waker> = None;
        let load = {
            let state = &mut *self.0.lock();
            let number = if state.over { None } else { state.numbers.reserve() };
            let Some(number) = number else { return (Started::ConnectionGone(call), 0) };
            let place = Place::Connection { connection: connection.clone(), number, sent: false };
            if !call.put(place, &mut woken) {
                return (Started::CallGone(call), 0);
            }
            state.numbers.insert(number, call);
            state.numbers.len()
        };
        if let Some(caller) = woken {
            guard::wake(caller);
        }
        (Started::Taken, load)
    }

    /// Takes the calls that frames of these numbers answer.
    pub(super) fn sort(
        &self,
        frames: impl ExactSizeIterator<Item = (u64, LinkSlice)>,
    ) -> Sorted<L> {
        let replies = Vec::with_capacity(frames.len());
        let mut sorted = Sorted { replies, late: 0, pushes: Vec::new(), left: 0 };
        let state = &mut *self.0.lock();
        for (number, bytes) in frames {
            match state.numbers.take(number) {
                Took::Entry(Entry::Waiting(call)) => sorted.replies.push((call, bytes)),
                Took::Entry(Entry::Abandoned) | Took::Late => sorted.late += 1,
                Took::Unknown => sorted.pushes.push(bytes),
            }
        }
        sorted.left = state.numbers.len();
        sorted
    }

    /// The caller of the call `number` has left. `sent`: a reply may come all the same.
    pub(super) fn abandon(&self, number: u64, sent: bool) -> Abandoned {
        let numbers = &mut self.0.lock().numbers;
        let had = if sent { numbers.abandon(number) } else { numbers.remove(number) };
        Abandoned { had, spent: numbers.is_spent() }
    }

    /// Takes no more calls, and gives those that wait.
    pub(super) fn close(&self) -> Vec<Arc<Call<L>>> {
        let state = &mut *self.0.lock();
        state.over = true;
        state.numbers.clear()
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::{
        client::call::{
            Left,
            models::{call, told},
        },
        error::{Error, ErrorKind},
        primitive::thread,
    };

    fn closed() -> Error {
        Error::new(ErrorKind::Closed, "the connection has ended")
    }

    /// Handles a reply as the turn does; returns the number of calls that it ended.
    fn reply(table: &Table<()>, number: u64) -> usize {
        let sorted = table.sort([(number, LinkSlice::default())].into_iter());
        sorted.replies.into_iter().filter(|(call, bytes)| call.complete(Ok(bytes.clone()))).count()
    }

    /// Ends the connection; returns the number of calls that it ended.
    fn end(table: &Table<()>) -> usize {
        let calls = table.close();
        calls
            .iter()
            .filter(|call| !call.take_back(false, || false) && call.complete(Err(closed())))
            .count()
    }

    fn begun(table: &Table<()>) -> (Arc<Call<()>>, u64) {
        let call = call();
        assert!(matches!(table.start(&Arc::new(()), call.clone()).0, Started::Taken));
        let number = call.connection().expect("it was started").1;
        // Its caller has sent it.
        assert!(call.move_to(Place::Connection { connection: Arc::new(()), number, sent: true }));
        (call, number)
    }

    /// A reply, the connection's end and the caller's leaving: one of them ends the call.
    #[test]
    fn loom_a_call_ends_once() {
        loom::model(|| {
            let table = Arc::new(Table::new(u64::from(u32::MAX)));
            let (call, number) = begun(&table);
            let (turn, other) = (table.clone(), table.clone());
            let replies = thread::spawn(move || reply(&turn, number));
            let ends = thread::spawn(move || end(&other));
            let left = match call.leave() {
                Left::Done(_) => 0,
                Left::At(_) => {
                    table.abandon(number, true);
                    1
                }
            };
            let ended = replies.join().unwrap() + ends.join().unwrap() + left;
            assert_eq!(ended, 1);
            assert_eq!(table.close().len(), 0);
        });
    }

    /// A waiting caller hears of its reply, or of the connection's end.
    #[test]
    fn loom_a_waiting_caller_is_told() {
        loom::model(|| {
            let table = Arc::new(Table::new(u64::from(u32::MAX)));
            let (call, number) = begun(&table);
            let (turn, other) = (table.clone(), table.clone());
            let replies = thread::spawn(move || reply(&turn, number));
            let ends = thread::spawn(move || end(&other));
            let is_reply = told(&call).is_ok();
            assert_eq!(replies.join().unwrap(), usize::from(is_reply));
            assert_eq!(ends.join().unwrap(), usize::from(!is_reply));
        });
    }

    /// A call that is given to a connection while that ends is not taken, or ended, or goes back.
    #[test]
    fn loom_no_call_stays_with_a_dead_connection() {
        loom::model(|| {
            let table = Arc::new(Table::new(u64::from(u32::MAX)));
            let call = call();
            let (other, theirs) = (table.clone(), call.clone());
            let ends = thread::spawn(move || {
                let calls = other.close();
                let back = calls.iter().filter(|call| call.take_back(false, || false)).count();
                drop(theirs);
                (calls.len(), back)
            });
            let (started, _) = table.start(&Arc::new(()), call);
            let (closed, back) = ends.join().unwrap();
            match started {
                Started::Taken => assert_eq!((closed, back), (1, 1)),
                Started::ConnectionGone(_) => assert_eq!(closed, 0),
                Started::CallGone(_) => panic!("nobody left"),
            }
        });
    }
}
