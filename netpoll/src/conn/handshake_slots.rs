//! The bound on a server's handshakes: so many are under way at the same time, and others wait.
//!
//! ```text
//!   peer speaks ──▶ take ──a slot is free──▶ Taken ──handshake or connection over──▶ leave
//!                    │  ▲                                                              │
//!                    ▼  └── the turn of the first in the queue ◀──── woken ◀───────────┘
//!                  Queued
//! ```
//! - Only the turn of a connection changes its [`Place`]; the counts and the queue are under one lock.
//! - A slot belongs to nobody until a turn takes it, and only the first in the queue may. Whoever leaves wakes
//!   the first, and whoever takes a slot while another is free wakes the next: so no free slot is slept
//!   through.
//! - A connection in the queue has read nothing and has no transport: it costs its own state and what the
//!   system received for it.

use std::collections::VecDeque;

use crate::primitive::Mutex;

/// The slots of one server; `T` wakes a connection that waits for one.
pub(crate) struct HandshakeSlots<T> {
    max: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    taken: usize,
    /// Connections that wait, by their numbers, in FIFO order.
    queue: VecDeque<(u64, T)>,
}

/// The place of a connection among the handshakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// It has asked for no slot yet, or has left.
    #[default]
    Outside,
    /// It waits for a slot.
    Queued,
    /// It has a slot.
    Taken,
}

impl<T: Clone> HandshakeSlots<T> {
    /// Slots for `max` handshakes.
    pub(crate) fn new(max: usize) -> Self {
        let state = State { taken: 0, queue: VecDeque::new() };
        Self { max, state: Mutex::new(state) }
    }

    /// The number of slots.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Takes a slot for the connection `id`, or queues it with `waker`. Returns a connection to wake.
    pub(super) fn take(&self, id: u64, place: &mut Place, waker: impl FnOnce() -> T) -> Option<T> {
        if *place == Place::Taken {
            return None;
        }
        let mut state = self.state.lock();
        let first = state.queue.front().is_none_or(|(first, _)| *first == id);
        if first && state.taken < self.max {
            state.taken += 1;
            if *place == Place::Queued {
                state.queue.pop_front();
            }
            *place = Place::Taken;
            return state.next(self.max);
        }
        if *place == Place::Outside {
            state.queue.push_back((id, waker()));
            *place = Place::Queued;
        }
        None
    }

    /// Gives back what the connection `id` has: its slot or its place in the queue. Returns a connection to
    /// wake.
    pub(super) fn leave(&self, id: u64, place: &mut Place) -> Option<T> {
        let had = std::mem::take(place);
        if had == Place::Outside {
            return None;
        }
        let mut state = self.state.lock();
        if had == Place::Taken {
            state.taken -= 1;
        } else if let Some(at) = state.queue.iter().position(|(queued, _)| *queued == id) {
            // The longest wait times out first: the position is at the front, as a rule.
            state.queue.remove(at);
        }
        state.next(self.max)
    }
}

impl<T: Clone> State<T> {
    /// The first in the queue, if there is a slot for it.
    fn next(&self, max: usize) -> Option<T> {
        let (_, waker) = self.queue.front().filter(|_| self.taken < max)?;
        Some(waker.clone())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn slots_are_given_in_the_order_of_the_queue_and_the_next_is_woken() {
        let slots = HandshakeSlots::new(2);
        let mut places = [Place::Outside; 5];
        let take =
            |id: usize, places: &mut [Place; 5]| slots.take(id as u64, &mut places[id], || id);
        assert_eq!((0..5).filter_map(|id| take(id, &mut places)).count(), 0);
        assert_eq!(places[..3], [Place::Taken, Place::Taken, Place::Queued]);
        // The fourth leaves the queue: nothing is free, and nobody is woken.
        assert_eq!(slots.leave(3, &mut places[3]), None);
        assert_eq!(slots.leave(0, &mut places[0]), Some(2));
        // Another does not overtake the one that was woken.
        assert_eq!(take(4, &mut places), None);
        assert_eq!(places[4], Place::Queued);
        assert_eq!(slots.leave(1, &mut places[1]), Some(2));
        // Two are free by now: the one that takes the first tells of the second.
        assert_eq!(take(2, &mut places), Some(4));
        assert_eq!(take(4, &mut places), None);
        assert_eq!((places[2], places[4]), (Place::Taken, Place::Taken));
        // One that was woken and ends before its turn passes the wake-up on.
        assert_eq!(take(0, &mut places), None);
        assert_eq!(take(1, &mut places), None);
        assert_eq!(slots.leave(2, &mut places[2]), Some(0));
        assert_eq!(slots.leave(0, &mut places[0]), Some(1));
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;
    use crate::primitive::{
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Acquire},
        },
        thread,
    };

    /// Three connections and one slot: each has it once, one at a time, and none sleeps through its wake-up. The
    /// second may give up while it waits.
    #[test]
    fn loom_no_free_handshake_slot_is_slept_through() {
        loom::model(|| {
            let slots = Arc::new(HandshakeSlots::<thread::Thread>::new(1));
            let inside = Arc::new(AtomicUsize::new(0));
            let connection = |id: u64, patience: usize| {
                let (slots, inside) = (slots.clone(), inside.clone());
                move || {
                    let mut place = Place::Outside;
                    for turn in 0.. {
                        if let Some(next) = slots.take(id, &mut place, thread::current) {
                            next.unpark();
                        }
                        if place == Place::Taken || turn == patience {
                            break;
                        }
                        thread::park();
                    }
                    if place == Place::Taken {
                        assert_eq!(inside.fetch_add(1, AcqRel), 0, "two have the one slot");
                        inside.fetch_sub(1, AcqRel);
                    }
                    if let Some(next) = slots.leave(id, &mut place) {
                        next.unpark();
                    }
                }
            };
            let threads =
                [thread::spawn(connection(1, usize::MAX)), thread::spawn(connection(2, 0))];
            connection(3, usize::MAX)();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(inside.load(Acquire), 0);
            let mut place = Place::Outside;
            assert!(slots.take(4, &mut place, thread::current).is_none());
            assert_eq!(place, Place::Taken, "all have left");
        });
    }
}
