//! A hierarchical timer wheel.
//!
//! Eleven levels of 64 slots: a slot of level n spans 64^n ticks, so that every `u64` tick has a
//! place. An entry lies on the level of the highest digit (base 64) in which its tick differs from
//! `elapsed`; therefore
//!
//! 1. on each level only slots after the present one are occupied, and none wraps around;
//! 2. all entries of a level come due before all entries of the levels above it;
//! 3. so the first occupied slot of the lowest occupied level holds the earliest entry.
//!
//! ```text
//!   level 2   |....|#...|   a slot: 4,096 ticks     slots ──▶ heads of lists in `entries`
//!   level 1     |..|.#.|    a slot: 64 ticks        entries: one Vec, free ones linked as well
//!   level 0       |#.|      a slot: 1 tick
//! ```
//!
//! Bit maps find the first occupied slot without a scan, however long the wheel slept.

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = u64::BITS.div_ceil(BITS) as usize;
/// The end of a list.
const NONE: u32 = u32::MAX;
/// An empty wheel that has room for more entries than this gives its memory back.
const KEEP: usize = 1024;

/// Entries that come due at a tick, each with a key of the caller's.
///
/// `insert` is O(1); `expire` is O(entries fired and moved a level down), each entry being moved at
/// most ten times in all; `next_expiry` is O(levels).
#[derive(Debug)]
pub(crate) struct Wheel {
    /// Every entry that came due at this tick or before has been fired.
    elapsed: u64,
    levels: Box<[Level]>,
    /// Entries that were due when they were inserted.
    due: u32,
    entries: Vec<Entry>,
    /// The first free entry.
    free: u32,
    len: usize,
}

#[derive(Clone, Debug)]
struct Level {
    /// Bit n: slot n is occupied.
    occupied: u64,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    first: u32,
    /// The earliest tick in the list.
    earliest: u64,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    key: u64,
    next: u32,
}

impl Wheel {
    /// An empty wheel for which `now` is the tick that runs.
    pub(crate) fn new(now: u64) -> Self {
        let empty = Slot { first: NONE, earliest: u64::MAX };
        let level = Level { occupied: 0, slots: [empty; SLOTS] };
        let levels = vec![level; LEVELS].into_boxed_slice();
        Self { elapsed: now, levels, due: NONE, entries: Vec::new(), free: NONE, len: 0 }
    }

    /// The number of entries that have not fired.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry that fires when `expire` is told `at_tick` or later.
    pub(crate) fn insert(&mut self, at_tick: u64, key: u64) {
        let entry = Entry { at: at_tick, key, next: NONE };
        let index = match self.free {
            NONE => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 timers")
            }
            free => {
                self.free = self.entries[free as usize].next;
                self.entries[free as usize] = entry;
                free
            }
        };
        self.len += 1;
        self.link(index);
    }

    /// The tick of the earliest entry: call `expire` no sooner.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        if self.due != NONE {
            return Some(self.elapsed);
        }
        let (level, slot) = self.first_slot()?;
        Some(self.levels[level].slots[slot].earliest)
    }

    /// Fires, in no promised order, every entry due at `now_tick` or before.
    ///
    /// A `now_tick` before one that was told earlier fires what is due and moves nothing back.
    pub(crate) fn expire(&mut self, now_tick: u64, mut fire: impl FnMut(u64)) {
        let due = std::mem::replace(&mut self.due, NONE);
        self.empty_list(due, u64::MAX, &mut fire);
        while let Some((level, slot)) = self.first_slot() {
            let start = self.start_of(level, slot);
            if start > now_tick {
                break;
            }
            let there = &mut self.levels[level];
            there.occupied &= !(1 << slot);
            there.slots[slot].earliest = u64::MAX;
            let first = std::mem::replace(&mut there.slots[slot].first, NONE);
            self.elapsed = start;
            self.empty_list(first, now_tick, &mut fire);
        }
        self.elapsed = self.elapsed.max(now_tick);
        if self.len == 0 && self.entries.capacity() > KEEP {
            self.entries = Vec::new();
            self.free = NONE;
        }
    }

    /// Fires what is due at `now` in the list from `index` on, and links the rest anew.
    fn empty_list(&mut self, mut index: u32, now: u64, fire: &mut impl FnMut(u64)) {
        while index != NONE {
            let Entry { at, key, next } = self.entries[index as usize];
            if at <= now {
                self.entries[index as usize].next = self.free;
                self.free = index;
                self.len -= 1;
                fire(key);
            } else {
                self.link(index);
            }
            index = next;
        }
    }

    /// Removes the entries whose keys `keep` does not want. Costs a look at each entry.
    pub(crate) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        let old = std::mem::replace(self, Self::new(self.elapsed));
        let slots = old.levels.iter().flat_map(|level| &level.slots).map(|slot| slot.first);
        for mut index in slots.chain([old.due]) {
            while index != NONE {
                let Entry { at, key, next } = old.entries[index as usize];
                if keep(key) {
                    self.insert(at, key);
                }
                index = next;
            }
        }
    }

    /// Puts an entry into the list where its tick belongs.
    fn link(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        if entry.at <= self.elapsed {
            entry.next = std::mem::replace(&mut self.due, index);
            return;
        }
        let level = ((entry.at ^ self.elapsed).ilog2() / BITS) as usize;
        let number = (entry.at >> (level as u32 * BITS)) as usize % SLOTS;
        let slot = &mut self.levels[level].slots[number];
        entry.next = std::mem::replace(&mut slot.first, index);
        slot.earliest = slot.earliest.min(entry.at);
        self.levels[level].occupied |= 1 << number;
    }

    /// The slot of the earliest entry: its level and its number.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|l| l.occupied != 0)?;
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// The first tick of a slot that lies ahead.
    fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = level as u32 * BITS;
        let above = self.elapsed.checked_shr(shift + BITS).unwrap_or(0);
        let above = above.checked_shl(shift + BITS).unwrap_or(0);
        above | (slot as u64) << shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Op {
        /// Insert this many ticks after now.
        Insert(u64),
        /// Insert at a tick, which may be long past.
        InsertAt(u64),
        Advance(u64),
        /// Advance to the next expiry exactly, then to one tick before the one after.
        AdvanceToNext,
        /// Keep the keys that are no multiples of this.
        Retain(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let ticks = prop_oneof![0..200u64, 0..100_000u64, 0..1u64 << 40, any::<u64>()];
        prop_oneof![
            4 => ticks.clone().prop_map(Op::Insert),
            1 => ticks.clone().prop_map(Op::InsertAt),
            2 => (0..300u64).prop_map(Op::Advance),
            1 => ticks.prop_map(Op::Advance),
            2 => Just(Op::AdvanceToNext),
            1 => (1..5u64).prop_map(Op::Retain),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_a_sorted_map(start in any::<u64>(), ops in prop::collection::vec(op(), 1..120)) {
            let mut now = start;
            let mut wheel = Wheel::new(now);
            let mut model = BTreeMap::<u64, Vec<u64>>::new();
            for (key, op) in ops.into_iter().enumerate() {
                let key = key as u64;
                match op {
                    Op::Insert(_) | Op::InsertAt(_) => {
                        let at = match op {
                            Op::Insert(delay) => now.saturating_add(delay),
                            Op::InsertAt(at) => at,
                            _ => unreachable!(),
                        };
                        wheel.insert(at, key);
                        model.entry(at).or_default().push(key);
                    }
                    Op::Advance(by) => now = now.saturating_add(by),
                    Op::Retain(of) => {
                        wheel.retain(|key| key % of != 0);
                        model.values_mut().for_each(|keys| keys.retain(|key| key % of != 0));
                        model.retain(|_, keys| !keys.is_empty());
                    }
                    Op::AdvanceToNext => now = wheel.next_expiry().unwrap_or(now).max(now),
                }
                if matches!(op, Op::Advance(_) | Op::AdvanceToNext) {
                    let mut fired = Vec::new();
                    wheel.expire(now, |key| fired.push(key));
                    let later = now.checked_add(1).map(|n| model.split_off(&n)).unwrap_or_default();
                    let mut due: Vec<_> = std::mem::replace(&mut model, later).into_values().flatten().collect();
                    fired.sort_unstable();
                    due.sort_unstable();
                    prop_assert_eq!(fired, due);
                }
                let first = model.keys().next().map(|&at| at.max(now));
                prop_assert_eq!(wheel.next_expiry(), first);
                prop_assert_eq!(wheel.len(), model.values().map(Vec::len).sum::<usize>());
            }
        }
    }

    #[test]
    fn a_long_sleep_costs_no_scan() {
        let mut wheel = Wheel::new(0);
        wheel.insert(u64::MAX, 1);
        wheel.insert(1 << 50, 2);
        let mut fired = Vec::new();
        wheel.expire(1 << 50, |key| fired.push(key));
        assert_eq!((fired, wheel.next_expiry()), (vec![2], Some(u64::MAX)));
    }

    #[test]
    fn an_empty_wheel_gives_its_memory_back() {
        let mut wheel = Wheel::new(0);
        (0..10_000).for_each(|n| wheel.insert(n, n));
        wheel.expire(10_000, |_| ());
        assert_eq!((wheel.len(), wheel.entries.capacity()), (0, 0));
        wheel.insert(10_001, 7);
        assert_eq!(wheel.next_expiry(), Some(10_001));
    }
}
