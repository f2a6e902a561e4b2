//! The rings of elements, one in each direction: a stream's number, where its bytes lie, a status.
//!
//! ```text
//!   places u32 │ head i64 │ tail i64 │ working u32 │ element 0 │ element 1 │ ..      (amd64)
//!   places u32 │ working u32 │ head i64 │ tail i64 │ element 0 │ element 1 │ ..      (arm64)
//!   element: stream u32 │ offset u32 │ status u32, at 12 x (index mod places)
//! ```
//! `head` is written by the consumer alone and `tail` by the producer alone; both only grow. On amd64 they
//! are not aligned to their size. So each is accessed by halves: the lower one tells how far the other
//! side is, since the distance of the two is below 2^31; and whoever writes stores the lower one first.
//! For the moment in between the queue looks empty to a consumer, or full to a producer, which both
//! then look again.
//!
//! **Waking the consumer**: who has put an element sets `working` from 0 to 1, and wakes the consumer if it
//! was the one who did. A consumer that finds nothing stores 0, looks once more, and goes on if something
//! came ([`Notify`]).

use std::sync::{
    Arc,
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
};

use super::breach::Breach;
use crate::sys::Region;

/// Bytes before the elements.
const HEADER: usize = 24;

/// Bytes of an element.
const ELEMENT: usize = 12;

/// The most places that a peer's queue may declare.
const PLACES_MOST: u32 = 1 << 20;

#[cfg(target_arch = "aarch64")]
const HEAD: usize = 8;
#[cfg(target_arch = "aarch64")]
const TAIL: usize = 16;
#[cfg(target_arch = "aarch64")]
const WORKING: usize = 4;
#[cfg(not(target_arch = "aarch64"))]
const HEAD: usize = 4;
#[cfg(not(target_arch = "aarch64"))]
const TAIL: usize = 12;
#[cfg(not(target_arch = "aarch64"))]
const WORKING: usize = 20;

/// Returns the bytes that the file of both directions takes.
pub(crate) fn file_len(places: u32) -> usize {
    2 * half(places)
}

fn half(places: u32) -> usize {
    HEADER + ELEMENT * places as usize
}

/// A message of one side to the other about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// The stream's number.
    pub(crate) stream: u32,
    /// The offset of the first slice of its bytes in the buffer file.
    pub(crate) offset: u32,
    /// The stream's state; the lowest byte alone counts.
    pub(crate) status: u32,
}

/// One direction.
#[derive(Clone, Debug)]
struct Ring {
    region: Arc<Region>,
    at: usize,
    places: u32,
}

impl Ring {
    fn word(&self, at: usize) -> &AtomicU32 {
        self.region.word(self.at + at).expect("the queue's length was checked when it was mapped")
    }

    /// Returns the lower half of an index.
    fn index(&self, at: usize) -> u32 {
        self.word(at).load(Acquire)
    }

    fn set_index(&self, at: usize, index: u64) {
        self.word(at).store(index as u32, Release);
        if index as u32 == 0 {
            self.word(at + 4).store((index >> 32) as u32, Release);
        }
    }

    /// Returns how many elements there are from `head` to `tail`.
    ///
    /// # Errors
    /// [`Breach::Queue`]: more than fit.
    fn between(&self, head: u32, tail: u32) -> Result<u32, Breach> {
        let elements = tail.wrapping_sub(head);
        if elements <= self.places {
            return Ok(elements);
        }
        Err(Breach::Queue { elements, places: self.places })
    }

    fn element(&self, index: u64) -> usize {
        HEADER + ELEMENT * (index % u64::from(self.places)) as usize
    }
}

/// Makes the rings of a new file: the creator's producer and consumer.
///
/// # Errors
/// [`Breach::Layout`]: the region is too short.
pub(crate) fn create(region: &Arc<Region>, places: u32) -> Result<(Producer, Consumer), Breach> {
    if places == 0 || region.len() < file_len(places) {
        return Err(Breach::Layout("a queue without room for its places"));
    }
    for at in [0, half(places)] {
        region
            .word(at)
            .ok_or(Breach::Layout("a queue that is not aligned"))?
            .store(places, Relaxed);
    }
    let ring = |at| Ring { region: region.clone(), at, places };
    Ok((Producer::new(ring(0)), Consumer::new(ring(half(places)))))
}

/// Takes up the rings that this side made by [`create`], and a peer has taken up too.
///
/// # Errors
/// Those of [`attach`].
pub(crate) fn take_up(region: &Arc<Region>) -> Result<(Producer, Consumer), Breach> {
    let (theirs, ours) = attach(region)?;
    Ok((Producer::new(ours.ring), Consumer::new(theirs.ring)))
}

/// Takes up the rings that a peer made: its consumer is fed by this side's producer.
///
/// # Errors
/// [`Breach::Layout`]: the file is not of the size that its numbers of places make.
pub(crate) fn attach(region: &Arc<Region>) -> Result<(Producer, Consumer), Breach> {
    let middle = region.len() / 2;
    let ring = |at: usize| {
        let places =
            region.word(at).ok_or(Breach::Layout("a queue without a header"))?.load(Relaxed);
        if places == 0 || places > PLACES_MOST || half(places) > middle {
            return Err(Breach::Layout("a queue whose places are not those of its file"));
        }
        Ok(Ring { region: region.clone(), at, places })
    };
    Ok((Producer::new(ring(middle)?), Consumer::new(ring(0)?)))
}

/// The putting side of a ring.
#[derive(Debug)]
pub(crate) struct Producer {
    ring: Ring,
    /// The index of the next element; the peer's copy of it is never read back.
    tail: u64,
}

impl Producer {
    fn new(ring: Ring) -> Self {
        Self { ring, tail: 0 }
    }

    /// Puts `element` at the end. False: the queue is full.
    ///
    /// # Errors
    /// [`Breach::Queue`]: the consumer took more than there was.
    pub(crate) fn put(&mut self, element: Element) -> Result<bool, Breach> {
        let ring = &self.ring;
        if ring.between(ring.index(HEAD), self.tail as u32)? == ring.places {
            return Ok(false);
        }
        let at = ring.element(self.tail);
        for (i, part) in [element.stream, element.offset, element.status].into_iter().enumerate() {
            ring.word(at + 4 * i).store(part, Relaxed);
        }
        self.tail += 1;
        ring.set_index(TAIL, self.tail);
        Ok(true)
    }

    /// Returns whether the consumer has to be woken for what was put: it rests, and nobody else does it.
    pub(crate) fn must_wake(&self) -> bool {
        claim(self.ring.word(WORKING))
    }
}

/// The taking side of a ring.
#[derive(Debug)]
pub(crate) struct Consumer {
    ring: Ring,
    /// The index of the next element; the peer's copy of it is never read back.
    head: u64,
}

impl Consumer {
    fn new(ring: Ring) -> Self {
        Self { ring, head: 0 }
    }

    /// Takes the first element; `None` if there is none.
    ///
    /// # Errors
    /// [`Breach::Queue`]: the producer's index is out of bounds.
    pub(crate) fn take(&mut self) -> Result<Option<Element>, Breach> {
        let ring = &self.ring;
        if ring.between(self.head as u32, ring.index(TAIL))? == 0 {
            return Ok(None);
        }
        let at = ring.element(self.head);
        let part = |i: usize| ring.word(at + 4 * i).load(Relaxed);
        let element = Element { stream: part(0), offset: part(1), status: part(2) };
        self.head += 1;
        ring.set_index(HEAD, self.head);
        Ok(Some(element))
    }

    /// Returns the number of elements that wait now.
    ///
    /// # Errors
    /// [`Breach::Queue`]: the producer's index is out of bounds.
    pub(crate) fn waiting(&self) -> Result<usize, Breach> {
        let ring = &self.ring;
        Ok(ring.between(self.head as u32, ring.index(TAIL))? as usize)
    }

    /// Rests until it is woken. False: something came meanwhile, and it has to go on.
    pub(crate) fn rest(&self) -> bool {
        let ring = &self.ring;
        rest(ring.word(WORKING), || ring.index(TAIL) == self.head as u32)
    }
}

/// A flag of the queue that both processes change: `AtomicU32`, here or under loom.
trait Flag {
    fn is_raised(&self) -> bool;
    fn try_raise(&self) -> bool;
    fn set(&self, value: u32);
}

impl Flag for AtomicU32 {
    fn is_raised(&self) -> bool {
        self.load(SeqCst) == 1
    }

    fn try_raise(&self) -> bool {
        self.compare_exchange(0, 1, SeqCst, SeqCst).is_ok()
    }

    fn set(&self, value: u32) {
        self.store(value, SeqCst);
    }
}

/// Called after a put. True: the caller has to wake the consumer.
fn claim(working: &impl Flag) -> bool {
    fence();
    // A look first, which leaves the flag in both sides' caches while the consumer works.
    !working.is_raised() && working.try_raise()
}

/// Called when nothing was found. True: nothing has come, and who puts the next wakes the consumer.
fn rest(working: &impl Flag, is_empty: impl Fn() -> bool) -> bool {
    working.set(0);
    fence();
    if is_empty() {
        return true;
    }
    // Whoever came saw 1 before, or wakes in vain.
    working.set(1);
    false
}

/// Orders what was stored before what is looked at next: on one side the queue before the flag, on the
/// other the flag before the queue. So one of the two sees the other.
fn fence() {
    crate::primitive::atomic::fence(SeqCst);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn element(n: u32) -> Element {
        Element { stream: n, offset: 2 * n, status: 3 * n }
    }

    fn pair(places: u32) -> ((Producer, Consumer), (Producer, Consumer), Arc<Region>) {
        let region = Arc::new(Region::create(c"queue", file_len(places)).unwrap());
        (create(&region, places).unwrap(), attach(&region).unwrap(), region)
    }

    #[test]
    fn elements_come_out_as_they_went_in_and_in_both_directions() {
        let ((mut here, mut back), (mut there, mut forth), _region) = pair(3);
        for n in 0..100 {
            assert!(here.put(element(n)).unwrap() && there.put(element(1000 + n)).unwrap());
            assert_eq!(forth.take().unwrap(), Some(element(n)));
            assert_eq!(back.take().unwrap(), Some(element(1000 + n)));
        }
        assert_eq!(forth.take().unwrap(), None);
    }

    #[test]
    fn a_full_queue_takes_no_more_until_one_is_taken() {
        let ((mut here, _), (_, mut forth), _region) = pair(2);
        assert!(here.put(element(1)).unwrap() && here.put(element(2)).unwrap());
        assert!(!here.put(element(3)).unwrap());
        assert_eq!(forth.take().unwrap(), Some(element(1)));
        assert!(here.put(element(3)).unwrap());
    }

    #[test]
    fn indices_pass_the_width_of_a_word() {
        let ((mut here, _), (_, mut forth), _region) = pair(3);
        here.tail = u64::from(u32::MAX) - 1;
        forth.head = here.tail;
        here.ring.set_index(HEAD, forth.head);
        here.ring.set_index(TAIL, here.tail);
        for n in 0..10 {
            assert!(here.put(element(n)).unwrap());
            assert_eq!(forth.take().unwrap(), Some(element(n)));
        }
        assert_eq!(here.ring.index(TAIL + 4), 1, "the upper half");
    }

    #[test]
    fn the_one_who_finds_the_consumer_at_rest_wakes_it() {
        let ((mut here, _), (_, mut forth), _region) = pair(4);
        here.put(element(1)).unwrap();
        assert!(here.must_wake());
        here.put(element(2)).unwrap();
        assert!(!here.must_wake(), "it was woken");
        assert!(!forth.rest(), "there is something");
        while forth.take().unwrap().is_some() {}
        assert!(forth.rest());
        here.put(element(3)).unwrap();
        assert!(here.must_wake());
    }

    #[test]
    fn indices_that_a_peer_broke_are_told_and_read_nothing() {
        let ((mut here, _), (_, mut forth), region) = pair(4);
        region.word(TAIL).unwrap().store(5, Relaxed);
        assert_eq!(forth.take(), Err(Breach::Queue { elements: 5, places: 4 }));
        region.word(TAIL).unwrap().store(u32::MAX, Relaxed);
        assert!(forth.take().is_err());
        region.word(HEAD).unwrap().store(1, Relaxed);
        assert!(here.put(element(1)).is_err());
    }

    #[test]
    fn files_that_are_not_what_they_declare_are_refused() {
        let region = Arc::new(Region::create(c"queue", file_len(4)).unwrap());
        assert!(attach(&region).is_err(), "no places");
        create(&region, 4).unwrap();
        assert!(attach(&region).is_ok());
        for places in [5, u32::MAX, 0] {
            region.word(half(4)).unwrap().store(places, Relaxed);
            assert!(attach(&region).is_err(), "{places} places");
        }
        let tiny = Arc::new(Region::create(c"queue", 3).unwrap());
        assert!(attach(&tiny).is_err());
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use loom::{
        sync::atomic::{
            AtomicU32,
            Ordering::{Acquire, Release, SeqCst},
        },
        thread,
    };

    use super::{Flag, claim, rest};

    impl Flag for AtomicU32 {
        fn is_raised(&self) -> bool {
            self.load(SeqCst) == 1
        }

        fn try_raise(&self) -> bool {
            self.compare_exchange(0, 1, SeqCst, SeqCst).is_ok()
        }

        fn set(&self, value: u32) {
            self.store(value, SeqCst);
        }
    }

    /// A producer puts, a consumer drains and rests: no element is slept through.
    #[test]
    fn loom_an_element_is_seen_or_its_consumer_is_woken() {
        loom::model(|| {
            let shared = Arc::new((AtomicU32::new(1), AtomicU32::new(0)));
            let producer = thread::spawn({
                let shared = shared.clone();
                move || {
                    let (working, tail) = &*shared;
                    tail.store(1, Release);
                    claim(working)
                }
            });
            let (working, tail) = &*shared;
            let mut head = tail.load(Acquire);
            while !rest(working, || tail.load(Acquire) == head) {
                head = tail.load(Acquire);
            }
            let woken = producer.join().unwrap();
            assert!(head == 1 || woken, "the element waits and nobody is woken");
        });
    }
}
