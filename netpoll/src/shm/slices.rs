//! The buffer file: lists of slices of a few sizes, whose free ones are chained.
//!
//! ```text
//!   lists u16, 2 bytes, used u32 │ list 0 │ list 1 │ ..
//!   list:  free i32 │ slices u32 │ head u32 │ tail u32 │ size u32 │ 16 bytes │ slice 0 │ slice 1 │ ..
//!   slice: size u32 │ bytes u32 │ start u32 │ next u32 │ flags u8, 3 bytes │ `size` bytes
//! ```
//! `head`, `tail` and the `next` of free slices are offsets from the first slice of their list; the `next`
//! of a message's slices, and offsets in queues, from the start of the file. A list's last free slice is
//! never taken, so that `push` and `pop` touch different ones.
//!
//! Both processes pop and push without a lock, by compare-and-swap of `head` and of `tail`. A peer that
//! breaks the rules can have a slice appear twice. So each process notes which slices it holds, and an
//! offset is used only if a slice begins there that it does not hold yet.

use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU32,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

use super::breach::Breach;
use crate::sys::Region;

const FILE_HEADER: u32 = 8;
const LIST_HEADER: u32 = 36;
const SLICE_HEADER: u32 = 20;

/// Flags of a slice.
const HAS_NEXT: u8 = 1;
const IN_USE: u8 = 2;

/// Tries to take a slice while others take or give back, after which there is none.
const TRIES: usize = 200;

/// More lists than anybody has.
const LISTS_MOST: u16 = 64;

/// A size of slices, and the part of the file for them, in hundredths.
pub(crate) type Share = (u32, u32);

/// The sizes that shmipc's implementations use by default.
pub(crate) const SHARES: [Share; 3] =
    [(8192 - SLICE_HEADER, 50), (32768 - SLICE_HEADER, 30), (131_072 - SLICE_HEADER, 20)];

/// The slices of a buffer file, with those that this process holds.
#[derive(Debug)]
pub(crate) struct Slices {
    region: Arc<Region>,
    /// By ascending size.
    lists: Vec<List>,
}

/// A list as it was checked once; its header is not read again.
#[derive(Debug)]
struct List {
    /// The offset of its header.
    at: u32,
    /// Bytes that one of its slices carries.
    size: u32,
    /// The slices that this process holds: taken, and not yet sent or given back.
    held: Vec<AtomicBool>,
}

/// A slice that this process holds: it was taken to be written, or received to be read.
///
/// Dropping it leaks it, as far as the file is concerned: give it back, or send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Held {
    list: usize,
    index: u32,
}

/// A slice that was received, with the extent of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) slice: Held,
    /// The offset of its first byte in the file.
    pub(crate) at: usize,
    pub(crate) len: usize,
    /// The offset of the message's next slice.
    pub(crate) next: Option<u32>,
}

impl List {
    fn stride(&self) -> u32 {
        SLICE_HEADER + self.size
    }

    fn first(&self) -> u32 {
        self.at + LIST_HEADER
    }

    fn slices(&self) -> u32 {
        self.held.len() as u32
    }

    /// Returns the slice that lies at `offset` from the first one.
    fn index(&self, offset: u32) -> Option<u32> {
        let index = offset / self.stride();
        (index < self.slices() && offset.is_multiple_of(self.stride())).then_some(index)
    }

    /// Notes that this process holds the slice.
    fn hold(&self, index: u32) -> bool {
        !self.held[index as usize].swap(true, AcqRel)
    }

    fn release(&self, index: u32) {
        let held = self.held[index as usize].swap(false, AcqRel);
        debug_assert!(held, "a slice is given away once");
    }
}

impl Slices {
    /// Lays out `region` with slices of the sizes in `shares`, which ascend.
    ///
    /// # Errors
    /// [`Breach::Layout`]: a size without a slice, or one that is no multiple of 4.
    pub(crate) fn create(region: Arc<Region>, shares: &[Share]) -> Result<Self, Breach> {
        let len = u32::try_from(region.len()).map_err(|_| Breach::Layout("4 GiB or more"))?;
        let headers = FILE_HEADER + LIST_HEADER * shares.len() as u32;
        let room = len.checked_sub(headers).ok_or(Breach::Layout("no room for its lists"))?;
        let word =
            |at: u32| region.word(at as usize).ok_or(Breach::Layout("a list beyond the end"));
        let mut at = FILE_HEADER;
        let mut lists = Vec::new();
        for &(size, part) in shares {
            let stride = SLICE_HEADER + size;
            let slices = (u64::from(room) * u64::from(part) / 100) as u32 / stride;
            if slices < 2 || size == 0 || !size.is_multiple_of(4) || part > 100 {
                return Err(Breach::Layout("a size of slices of which it has fewer than two"));
            }
            let first = at + LIST_HEADER;
            for index in 0..slices {
                let here = first + index * stride;
                let last = index + 1 == slices;
                word(here)?.store(size, Relaxed);
                word(here + 12)?.store(if last { 0 } else { (index + 1) * stride }, Relaxed);
                word(here + 16)?.store(if last { 0 } else { u32::from(HAS_NEXT) }, Relaxed);
            }
            let header = [slices, slices, 0, (slices - 1) * stride, size];
            for (i, value) in header.into_iter().enumerate() {
                word(at + 4 * i as u32)?.store(value, Relaxed);
            }
            lists.push(List { at, size, held: none_held(slices) });
            at = first + slices * stride;
        }
        word(0)?.store(shares.len() as u32, Relaxed);
        word(4)?.store(at - FILE_HEADER, Release);
        Ok(Self { region, lists })
    }

    /// Takes up the lists that a peer laid out.
    ///
    /// # Errors
    /// [`Breach::Layout`]: they are not within the file, or not aligned to 4 bytes.
    pub(crate) fn attach(region: Arc<Region>) -> Result<Self, Breach> {
        let word = |at: u32| {
            let word = region.word(at as usize).ok_or(Breach::Layout("a list beyond the end"))?;
            Ok(word.load(Acquire))
        };
        let count = word(0)? as u16;
        if count == 0 || count > LISTS_MOST {
            return Err(Breach::Layout("no lists, or more than 64"));
        }
        let mut at = FILE_HEADER;
        let mut lists = Vec::<List>::new();
        for _ in 0..count {
            let (slices, size) = (word(at + 4)?, word(at + 16)?);
            let stride = size.checked_add(SLICE_HEADER);
            let bytes = stride.and_then(|stride| stride.checked_mul(slices));
            let end = bytes.and_then(|bytes| bytes.checked_add(at + LIST_HEADER));
            let Some(end) = end.filter(|&end| end as usize <= region.len()) else {
                return Err(Breach::Layout("a list beyond the end"));
            };
            if slices == 0 || size == 0 || !size.is_multiple_of(4) {
                return Err(Breach::Layout(
                    "slices of no size, or of one that is no multiple of 4",
                ));
            }
            if lists.iter().any(|list| list.size >= size) {
                return Err(Breach::Layout("sizes of slices that do not ascend"));
            }
            lists.push(List { at, size, held: none_held(slices) });
            at = end;
        }
        Ok(Self { region, lists })
    }

    fn word(&self, at: u32) -> &AtomicU32 {
        self.region.word(at as usize).expect("lists lie within the file, which was checked")
    }

    /// Returns a slice's own offset in the file.
    pub(crate) fn offset(&self, slice: Held) -> u32 {
        let list = &self.lists[slice.list];
        list.first() + slice.index * list.stride()
    }

    /// Returns the bytes that a slice can carry.
    pub(crate) fn capacity(&self, slice: Held) -> usize {
        self.lists[slice.list].size as usize
    }

    /// Returns the bytes that all slices can carry.
    pub(crate) fn bytes(&self) -> usize {
        self.lists.iter().map(|list| list.held.len() * list.size as usize).sum()
    }

    /// Returns the bytes that free slices can carry, as the lists' counts have it.
    pub(crate) fn free_bytes(&self) -> usize {
        let free = |list: &List| {
            let free = self.word(list.at).load(Relaxed).cast_signed();
            usize::try_from(free).unwrap_or(0).min(list.held.len()) * list.size as usize
        };
        self.lists.iter().map(free).sum()
    }

    /// Returns whether a slice that was sent has been given back: it lies free, or this process has taken it
    /// again. The peer may have done so too, and then it does not.
    pub(crate) fn is_back(&self, slice: Held) -> bool {
        self.lists[slice.list].held[slice.index as usize].load(Acquire)
            || self.flags(self.offset(slice)).load(Acquire) & IN_USE == 0
    }

    /// Takes a free slice of the least size that has room for `n` bytes, or, if there is none, of the
    /// largest that is to be had.
    ///
    /// # Errors
    /// [`Breach`]: a list's chain leads to no slice, or to one that is held.
    pub(crate) fn take(&self, n: usize) -> Result<Option<Held>, Breach> {
        let fits = self.lists.iter().position(|list| list.size as usize >= n);
        let fits = fits.unwrap_or(self.lists.len());
        for list in (fits..self.lists.len()).chain((0..fits).rev()) {
            if let Some(index) = self.pop(list)? {
                return Ok(Some(Held { list, index }));
            }
        }
        Ok(None)
    }

    fn pop(&self, number: usize) -> Result<Option<u32>, Breach> {
        let list = &self.lists[number];
        let (free, head) = (self.word(list.at), self.word(list.at + 8));
        // Counted first, so that no two take the last but one together.
        if free.fetch_sub(1, AcqRel).cast_signed() <= 1 {
            free.fetch_add(1, AcqRel);
            return Ok(None);
        }
        let mut popped = Ok(None);
        for _ in 0..TRIES {
            let first = head.load(Acquire);
            let Some(index) = list.index(first) else {
                popped = Err(Breach::Offset(list.first().wrapping_add(first)));
                break;
            };
            let here = list.first() + index * list.stride();
            if self.flags(here).load(Acquire) & HAS_NEXT == 0 {
                // Its last one, or the one before whose successor is being linked.
                std::hint::spin_loop();
                continue;
            }
            let next = self.word(here + 12).load(Acquire);
            if head.compare_exchange(first, next, AcqRel, Acquire).is_err() {
                continue;
            }
            popped = if list.hold(index) {
                self.flags(here).store(IN_USE, Release);
                Ok(Some(index))
            } else {
                Err(Breach::Held(here))
            };
            break;
        }
        if !matches!(popped, Ok(Some(_))) {
            free.fetch_add(1, AcqRel);
        }
        popped
    }

    /// Gives a held slice back to its list.
    ///
    /// # Errors
    /// [`Breach::Offset`]: the list's tail is no slice.
    pub(crate) fn give_back(&self, slice: Held) -> Result<(), Breach> {
        let list = &self.lists[slice.list];
        let here = self.offset(slice);
        self.word(here + 4).store(0, Relaxed);
        self.word(here + 8).store(0, Relaxed);
        self.flags(here).store(0, Release);
        list.release(slice.index);
        let from_first = here - list.first();
        let tail = self.word(list.at + 12).swap(from_first, AcqRel);
        let Some(index) = list.index(tail) else {
            return Err(Breach::Offset(list.first().wrapping_add(tail)));
        };
        let before = list.first() + index * list.stride();
        self.word(before + 12).store(from_first, Relaxed);
        self.flags(before).fetch_or(HAS_NEXT, AcqRel);
        self.word(list.at).fetch_add(1, AcqRel);
        Ok(())
    }

    /// Copies `bytes`, which fit, to position `at` of a held slice.
    pub(crate) fn copy_in(&self, slice: Held, at: usize, bytes: &[u8]) {
        let here = self.offset(slice) + SLICE_HEADER;
        let fits = at + bytes.len() <= self.capacity(slice)
            && self.region.copy_in(here as usize + at, bytes);
        assert!(fits, "bytes beyond their slice");
    }

    /// Says of a held slice how many bytes it has, from its start on, and which slice has the next ones.
    pub(crate) fn finish(&self, slice: Held, len: usize, next: Option<Held>) {
        let here = self.offset(slice);
        self.word(here + 4).store(len as u32, Relaxed);
        self.word(here + 8).store(0, Relaxed);
        let mut flags = IN_USE;
        if let Some(next) = next {
            self.word(here + 12).store(self.offset(next), Relaxed);
            flags |= HAS_NEXT;
        }
        self.flags(here).store(flags, Release);
    }

    /// The slice is the peer's from now on: its offset goes into the queue next, or stands in one that does.
    pub(crate) fn send(&self, slice: Held) {
        self.lists[slice.list].release(slice.index);
    }

    /// Takes up the slice at `offset`, which a queue or another slice named.
    ///
    /// # Errors
    /// [`Breach`]: no slice begins there, it is held already, or its bytes are not within it.
    pub(crate) fn receive(&self, offset: u32) -> Result<Received, Breach> {
        let list = self.lists.iter().rposition(|list| list.first() <= offset);
        let found = list.and_then(|number| {
            let list = &self.lists[number];
            Some(Held { list: number, index: list.index(offset - list.first())? })
        });
        let Some(slice) = found else { return Err(Breach::Offset(offset)) };
        // Each of these is read once.
        let (size, start) =
            (self.word(offset + 4).load(Acquire), self.word(offset + 8).load(Acquire));
        let next = self.word(offset + 12).load(Acquire);
        let has_next = self.flags(offset).load(Acquire) & HAS_NEXT != 0;
        let end = start.checked_add(size);
        if end.is_none_or(|end| end as usize > self.capacity(slice)) {
            return Err(Breach::Extent { offset, start, size });
        }
        if !self.lists[slice.list].hold(slice.index) {
            return Err(Breach::Held(offset));
        }
        Ok(Received {
            slice,
            at: (offset + SLICE_HEADER + start) as usize,
            len: size as usize,
            next: has_next.then_some(next),
        })
    }

    /// Copies the bytes of a received slice. They are within the file, as [`receive`](Self::receive) found.
    pub(crate) fn read(&self, received: &Received, into: &mut [u8]) {
        let n = into.len().min(received.len);
        let within = self.region.copy_out(received.at, &mut into[..n]);
        assert!(within, "a received slice lies within the file");
    }

    fn flags(&self, slice: u32) -> &std::sync::atomic::AtomicU8 {
        self.region.byte((slice + 16) as usize).expect("slices lie within the file")
    }
}

fn none_held(slices: u32) -> Vec<AtomicBool> {
    (0..slices).map(|_| AtomicBool::new(false)).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    const SIZES: [Share; 2] = [(64, 50), (256, 50)];

    impl Slices {
        fn write(&self, slice: Held, bytes: &[u8], next: Option<Held>) {
            self.copy_in(slice, 0, bytes);
            self.finish(slice, bytes.len(), next);
        }
    }

    fn pair(len: usize) -> (Slices, Slices, Arc<Region>) {
        let region = Arc::new(Region::create(c"slices", len).unwrap());
        let here = Slices::create(region.clone(), &SIZES).unwrap();
        (here, Slices::attach(region.clone()).unwrap(), region)
    }

    fn all(slices: &Slices) -> Vec<Held> {
        std::iter::from_fn(|| slices.take(1).unwrap()).collect()
    }

    #[test]
    fn slices_are_taken_by_size_up_to_the_last_of_each() {
        let (here, _, _region) = pair(8192);
        let small = here.take(64).unwrap().unwrap();
        let large = here.take(65).unwrap().unwrap();
        assert_eq!((here.capacity(small), here.capacity(large)), (64, 256));
        assert_eq!(here.capacity(here.take(10_000).unwrap().unwrap()), 256);
        let rest = all(&here).len();
        let count: u32 = here.lists.iter().map(List::slices).sum();
        assert_eq!(rest as u32 + 3, count - 2);
    }

    #[test]
    fn what_one_side_writes_the_other_reads_and_gives_back() {
        let (here, there, _region) = pair(8192);
        for _ in 0..1000 {
            let (one, two) = (here.take(64).unwrap().unwrap(), here.take(64).unwrap().unwrap());
            here.write(two, b"world", None);
            here.write(one, b"hello ", Some(two));
            let mut offset = Some(here.offset(one));
            here.send(one);
            here.send(two);
            let mut bytes = Vec::new();
            while let Some(at) = offset {
                let received = there.receive(at).unwrap();
                let mut part = vec![0; received.len];
                there.read(&received, &mut part);
                bytes.extend(part);
                offset = received.next;
                there.give_back(received.slice).unwrap();
            }
            assert_eq!(bytes, b"hello world");
        }
    }

    #[test]
    fn two_processes_take_and_give_back_side_by_side() {
        let (here, there, _region) = pair(16 << 10);
        let work = |slices: &Slices| {
            for n in 0..20_000usize {
                let Some(slice) = slices.take(n % 300).unwrap() else { continue };
                slices.write(slice, &n.to_le_bytes(), None);
                slices.give_back(slice).unwrap();
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| work(&here));
            scope.spawn(|| work(&there));
        });
        let count: u32 = here.lists.iter().map(List::slices).sum();
        assert_eq!(all(&here).len() as u32, count - 2, "none was lost");
    }

    #[test]
    fn offsets_at_which_no_slice_begins_are_told() {
        let (here, _, region) = pair(8192);
        for offset in [0, 1, 44, 45, 63, u32::MAX, u32::MAX - 19, region.len() as u32] {
            let known = offset == 44;
            assert_eq!(here.receive(offset).is_ok(), known, "{offset}");
        }
        assert_eq!(here.receive(44), Err(Breach::Held(44)), "a circle");
    }

    #[test]
    fn a_slice_whose_bytes_are_not_within_it_is_told() {
        let (here, _, region) = pair(8192);
        for (start, size) in [(0, 65), (64, 1), (u32::MAX, 1), (1, u32::MAX), (60, 5)] {
            region.word(48).unwrap().store(size, Relaxed);
            region.word(52).unwrap().store(start, Relaxed);
            assert_eq!(here.receive(44), Err(Breach::Extent { offset: 44, start, size }));
        }
    }

    #[test]
    fn whatever_a_peer_writes_nothing_is_touched_beyond_the_file() {
        let seed = 0x5eed_u64;
        let mut random = seed;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as u32
        };
        let (here, there, region) = pair(8192);
        let mut breaches = 0;
        for _ in 0..100_000 {
            let at = next() as usize % (region.len() / 4) * 4;
            let value = match next() % 3 {
                0 => next(),
                1 => next() % 8192,
                _ => next() % 4,
            };
            region.word(at).unwrap().store(value, Relaxed);
            match here.take(next() as usize % 300) {
                Ok(Some(slice)) => {
                    here.write(slice, &[1; 64], None);
                    let offset = here.offset(slice);
                    here.send(slice);
                    match there.receive(offset) {
                        Ok(received) => {
                            there.read(&received, &mut vec![0; received.len]);
                            breaches += u32::from(there.give_back(received.slice).is_err());
                        }
                        Err(_) => breaches += 1,
                    }
                }
                Ok(None) => {}
                Err(_) => breaches += 1,
            }
            breaches += u32::from(here.receive(next() % 8192).is_err());
            breaches += u32::from(Slices::attach(region.clone()).is_err());
        }
        assert!(breaches > 1000, "the peer was not hostile");
    }

    #[test]
    fn files_that_are_not_what_they_declare_are_refused() {
        let (_, _, region) = pair(8192);
        assert!(Slices::attach(region.clone()).is_ok());
        for (at, value) in
            [(0, 0), (0, 65), (12, u32::MAX), (24, u32::MAX), (24, 66), (12, 0), (24, 0)]
        {
            let word = region.word(at).unwrap();
            let before = word.swap(value, Relaxed);
            assert!(Slices::attach(region.clone()).is_err(), "{value} at {at}");
            word.store(before, Relaxed);
        }
        let tiny = Arc::new(Region::create(c"slices", 7).unwrap());
        assert!(Slices::attach(tiny).is_err());
    }
}
