//! All keys, behind sixteen locks.

use std::{
    cell::Cell,
    fmt, iter,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::{Mutex, MutexGuard};

use super::{
    fault::{Fault, Outcome},
    shard::{Entry, Shard},
    value::{Kind, Value},
};

/// All keys, for any number of threads.
///
/// A command locks the shards of all its keys before it begins, in ascending order, so commands are
/// atomic and never wait for each other in a circle. A key whose deadline has passed is gone for
/// every command; its memory is freed by the next command that comes to its shard, or by
/// [`sweep`](Self::sweep).
pub struct Store {
    shards: [Mutex<Shard>; SHARDS],
    clock: Box<dyn Fn() -> i64 + Send + Sync>,
    started: i64,
    sessions: AtomicI64,
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        Self::with_clock(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }

    /// An empty store whose time is what `clock` says, in milliseconds since 1970.
    pub fn with_clock(clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            started: clock(),
            clock: Box::new(clock),
            sessions: AtomicI64::new(0),
        }
    }

    /// Frees the keys whose deadline has passed, a batch for each time that it locks; gives how many.
    ///
    /// For a task that calls it now and then: without, they go as commands come to their shards.
    pub fn sweep(&self) -> usize {
        let now = (self.clock)();
        let batch = |shard: &Mutex<Shard>| shard.lock().sweep(now, BATCH);
        self.shards
            .iter()
            .flat_map(|shard| iter::repeat_with(|| batch(shard)).take_while(|&freed| freed > 0))
            .sum()
    }

    /// The number of a new session.
    pub(super) fn next_session(&self) -> i64 {
        self.sessions.fetch_add(1, Relaxed) + 1
    }

    /// How many sessions there have been.
    pub(super) fn sessions(&self) -> i64 {
        self.sessions.load(Relaxed)
    }

    /// Seconds since this store was made.
    pub(super) fn uptime(&self) -> i64 {
        ((self.clock)() - self.started) / 1000
    }

    /// No keys.
    pub(super) fn lock_none(&self) -> Keyspace<'_> {
        self.hold(Held::None)
    }

    /// One key.
    pub(super) fn lock_one(&self, key: &[u8]) -> Keyspace<'_> {
        self.hold(Held::One(self.shards[index(key)].lock()))
    }

    /// These keys.
    pub(super) fn lock_keys<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Keyspace<'_> {
        self.lock_mask(keys.fold(0, |mask, key| mask | 1 << index(key)))
    }

    /// All keys.
    pub(super) fn lock_all(&self) -> Keyspace<'_> {
        self.lock_mask(u16::MAX)
    }

    fn lock_mask(&self, mask: u16) -> Keyspace<'_> {
        if mask.count_ones() == 1 {
            return self.hold(Held::One(self.shards[mask.trailing_zeros() as usize].lock()));
        }
        let lock = |i: usize| (mask & 1 << i != 0).then(|| self.shards[i].lock());
        self.hold(Held::Some(Box::new(std::array::from_fn(lock))))
    }

    fn hold<'a>(&'a self, mut held: Held<'a>) -> Keyspace<'a> {
        let now = Cell::new(None);
        for shard in held.shards() {
            if shard.has_deadlines() {
                shard.sweep(read(&now, &*self.clock), SWEPT);
            }
        }
        Keyspace { held, clock: &*self.clock, now }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("sessions", &self.sessions()).finish_non_exhaustive()
    }
}

/// The keys that one command locked, and the one time that it sees.
pub(super) struct Keyspace<'a> {
    held: Held<'a>,
    clock: &'a (dyn Fn() -> i64 + Send + Sync),
    now: Cell<Option<i64>>,
}

enum Held<'a> {
    None,
    One(MutexGuard<'a, Shard>),
    /// Boxed, since a command's path moves it, and most commands have one key.
    Some(Box<[Option<MutexGuard<'a, Shard>>; SHARDS]>),
}

impl Held<'_> {
    fn shards(&mut self) -> impl Iterator<Item = &mut Shard> {
        let (one, some) = match self {
            Self::None => (None, &mut [][..]),
            Self::One(shard) => (Some(&mut **shard), &mut [][..]),
            Self::Some(shards) => (None, &mut shards[..]),
        };
        one.into_iter().chain(some.iter_mut().filter_map(|shard| shard.as_deref_mut()))
    }

    fn of(&mut self, key: &[u8]) -> &mut Shard {
        match self {
            Self::None => None,
            Self::One(shard) => Some(&mut **shard),
            Self::Some(shards) => shards[index(key)].as_deref_mut(),
        }
        .expect("the command table names every key that a command uses")
    }
}

impl Keyspace<'_> {
    /// The time of this command, in milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        read(&self.now, self.clock)
    }

    /// The entry of `key`.
    pub(super) fn entry(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let (now, clock) = (&self.now, self.clock);
        self.held.of(key).get(key, || read(now, clock))
    }

    /// The value of `key`, if it has one.
    ///
    /// # Errors
    /// If it is not of the kind `T`.
    pub(super) fn find<T: Kind>(&mut self, key: &[u8]) -> Outcome<Option<&mut T>> {
        self.entry(key).map(|entry| T::of(&mut entry.value).ok_or(Fault::WRONG_TYPE)).transpose()
    }

    /// The value of `key`, made if it has none.
    ///
    /// # Errors
    /// If it is not of the kind `T`.
    pub(super) fn find_or_make<T: Kind>(&mut self, key: &[u8]) -> Outcome<&mut T> {
        if self.entry(key).is_none() {
            self.put(key, T::default().into_value(), None);
        }
        self.find(key)?.ok_or(Fault::WRONG_TYPE)
    }

    /// Sets `key`, whatever it was before.
    pub(super) fn put(&mut self, key: &[u8], value: Value, deadline: Option<i64>) {
        self.held.of(key).insert(key, value, deadline);
    }

    /// Gives `key` a deadline, or takes it away.
    pub(super) fn set_deadline(&mut self, key: &[u8], deadline: Option<i64>) {
        self.held.of(key).set_deadline(key, deadline);
    }

    /// Removes `key`; tells whether it was there.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        self.entry(key).is_some() && self.held.of(key).remove(key)
    }

    /// Removes `key` if its collection has no element left.
    pub(super) fn remove_if_empty(&mut self, key: &[u8]) {
        if self.entry(key).is_some_and(|entry| entry.value.is_empty()) {
            self.held.of(key).remove(key);
        }
    }

    /// Calls `see` with each key.
    pub(super) fn each_key<'s>(&'s mut self, mut see: impl FnMut(&'s [u8])) {
        let now = self.now();
        for shard in self.held.shards() {
            shard.live(now).for_each(&mut see);
        }
    }

    /// How many keys there are; those that are due and not yet freed count as well.
    pub(super) fn len(&mut self) -> usize {
        self.held.shards().map(|shard| shard.len()).sum()
    }

    /// How many keys have a deadline.
    pub(super) fn deadlines(&mut self) -> usize {
        self.held.shards().map(|shard| shard.deadlines()).sum()
    }

    /// Removes all keys.
    pub(super) fn clear(&mut self) {
        self.held.shards().for_each(Shard::clear);
    }
}

/// Reads the clock once for each command.
fn read(now: &Cell<Option<i64>>, clock: &dyn Fn() -> i64) -> i64 {
    now.get().unwrap_or_else(|| {
        let read = clock();
        now.set(Some(read));
        read
    })
}

/// The shard of `key`: a cheap mix, since the maps within hash with a secret of their own.
fn index(key: &[u8]) -> usize {
    let mut mix = key.len() as u64;
    for chunk in key.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix = (mix.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    (mix >> 60) as usize
}

/// As many as four bits number, and a `u16` marks.
const SHARDS: usize = 16;

/// How many keys that are due a command frees in each shard that it comes to.
const SWEPT: usize = 16;

/// How many keys that are due a sweep frees before it lets others have the shard.
const BATCH: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::value::Text;
    use super::*;

    #[test]
    fn keys_spread_over_all_shards() {
        let mut seen = [0; SHARDS];
        for n in 0..1600 {
            seen[index(format!("key:{n:012}").as_bytes())] += 1;
        }
        assert!(seen.iter().all(|&n| (50..200).contains(&n)), "{seen:?}");
    }

    #[test]
    fn a_sweep_frees_what_is_due() {
        let time = Arc::new(AtomicI64::new(0));
        let clock = time.clone();
        let store = Store::with_clock(move || clock.load(Relaxed));
        for n in 0..10_000i64 {
            let key = n.to_be_bytes();
            store.lock_one(&key).put(&key, Value::Text(Text::default()), Some(n + 1));
        }
        time.store(9_900, Relaxed);
        assert_eq!(store.sweep(), 9_900);
        time.store(0, Relaxed);
        assert_eq!(store.lock_all().len(), 100);
        assert_eq!(store.lock_all().deadlines(), 100);
    }
}
