//! Keys and their values, up to a number of bytes.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use super::{Command, Reply, Store, Value, Verb, command::MAX_VALUE};

/// A time to live up to this is counted from now, in seconds: 30 days.
const RELATIVE: i64 = 60 * 60 * 24 * 30;

/// What a key costs besides its bytes, about.
const OVERHEAD: usize = 100;

/// Keys and their values, for any number of threads.
///
/// It forgets what has expired when it is asked for it, or has no room left; what is alive it does not
/// throw away: beyond its bound it refuses to store more.
#[derive(Debug)]
pub struct Cache {
    table: Mutex<Table>,
    /// Bytes at most.
    room: usize,
    started: SystemTime,
}

#[derive(Debug, Default)]
struct Table {
    items: HashMap<Bytes, Item>,
    /// Bytes of all items.
    used: usize,
    /// The number of the last change.
    number: u64,
    /// When all that was stored before expires.
    flush: Option<SystemTime>,
    hits: u64,
    misses: u64,
    stores: u64,
}

#[derive(Debug)]
struct Item {
    flags: u32,
    data: Bytes,
    number: u64,
    expires: Option<SystemTime>,
}

impl Cache {
    /// A cache of that many bytes at most.
    pub fn new(room: usize) -> Self {
        Self { table: Mutex::default(), room, started: SystemTime::now() }
    }

    /// Runs `command`; `None` where there is nothing to answer.
    ///
    /// [`Command::Quit`] has no answer, and is the connection's business.
    pub fn run(&self, command: Command<'_>) -> Option<Reply> {
        let now = SystemTime::now();
        let mut table = self.table.lock();
        table.flush_if_due(now);
        let (reply, quiet) = match command {
            Command::Get { keys, numbered, touch } => {
                let expires = touch.map(|time| deadline(time, now));
                let values = keys.iter().filter_map(|key| table.get(key, expires, now)).collect();
                (Reply::Values { values, numbered }, false)
            }
            Command::Store(store) => (table.store(&store, self.room, now), store.quiet),
            Command::Delete { key, quiet } => {
                let there = table.live(key, now).is_some();
                table.remove(key);
                (Reply::Line(if there { "DELETED" } else { "NOT_FOUND" }), quiet)
            }
            Command::Add { key, by, down, quiet } => (table.add(key, by, down, now), quiet),
            Command::Touch { key, expires, quiet } => {
                let found = table.live(key, now);
                let there = found.is_some();
                if let Some(item) = found {
                    item.expires = deadline(expires, now);
                }
                (Reply::Line(if there { "TOUCHED" } else { "NOT_FOUND" }), quiet)
            }
            Command::Flush { delay, quiet } => {
                table.flush = now.checked_add(Duration::from_secs(delay));
                table.flush_if_due(now);
                (Reply::Line("OK"), quiet)
            }
            Command::Stats => {
                let uptime = now.duration_since(self.started).unwrap_or_default().as_secs();
                (table.stats(uptime, self.room), false)
            }
            Command::Version => {
                (Reply::Line(concat!("VERSION ", env!("CARGO_PKG_VERSION"))), false)
            }
            Command::Verbosity { quiet } => (Reply::Line("OK"), quiet),
            Command::Quit => return None,
        };
        // Errors are told even to those who want no answer: they have to know.
        let told = matches!(reply, Reply::ClientError(_) | Reply::ServerError(_));
        (!quiet || told).then_some(reply)
    }
}

impl Table {
    /// The item of `key`, if it has not expired.
    fn live(&mut self, key: &[u8], now: SystemTime) -> Option<&mut Item> {
        let item = self.items.get(key)?;
        if item.expires.is_some_and(|at| at <= now) {
            self.remove(key);
            return None;
        }
        self.items.get_mut(key)
    }

    fn get(
        &mut self,
        key: &[u8],
        touch: Option<Option<SystemTime>>,
        now: SystemTime,
    ) -> Option<Value> {
        let Some(item) = self.live(key, now) else {
            self.misses += 1;
            return None;
        };
        if let Some(expires) = touch {
            item.expires = expires;
        }
        let &mut Item { flags, ref data, number, .. } = item;
        let value = Value { key: Bytes::copy_from_slice(key), flags, data: data.clone(), number };
        self.hits += 1;
        Some(value)
    }

    fn store(&mut self, store: &Store<'_>, room: usize, now: SystemTime) -> Reply {
        let old =
            self.live(store.key, now).map(|item| (item.number, item.flags, item.data.clone()));
        let (mut flags, mut expires) = (store.flags, deadline(store.expires, now));
        let data = match (store.verb, &old) {
            (Verb::Set, _) | (Verb::Add, None) | (Verb::Replace, Some(_)) => {
                Bytes::copy_from_slice(store.data)
            }
            (Verb::Cas, Some((number, ..))) if *number == store.number => {
                Bytes::copy_from_slice(store.data)
            }
            (Verb::Cas, Some(_)) => return Reply::Line("EXISTS"),
            (Verb::Cas, None) => return Reply::Line("NOT_FOUND"),
            (Verb::Append | Verb::Prepend, Some((_, old_flags, old))) => {
                let (first, second) = match store.verb {
                    Verb::Append => (&old[..], store.data),
                    _ => (store.data, &old[..]),
                };
                if first.len() + second.len() > MAX_VALUE {
                    return Reply::ServerError("object too large for cache");
                }
                let mut joined = BytesMut::with_capacity(first.len() + second.len());
                joined.extend_from_slice(first);
                joined.extend_from_slice(second);
                flags = *old_flags;
                expires = self.items.get(store.key).and_then(|item| item.expires);
                joined.freeze()
            }
            (Verb::Add | Verb::Replace | Verb::Append | Verb::Prepend, _) => {
                return Reply::Line("NOT_STORED");
            }
        };
        self.remove(store.key);
        let size = store.key.len() + data.len() + OVERHEAD;
        if self.used + size > room {
            self.forget_expired(now);
        }
        if self.used + size > room {
            return Reply::ServerError("out of memory storing object");
        }
        self.number += 1;
        let item = Item { flags, data, number: self.number, expires };
        self.items.insert(Bytes::copy_from_slice(store.key), item);
        self.used += size;
        self.stores += 1;
        Reply::Line("STORED")
    }

    /// Adds to a counter, which wraps; or subtracts down to 0.
    fn add(&mut self, key: &[u8], by: u64, down: bool, now: SystemTime) -> Reply {
        let Some(item) = self.live(key, now) else { return Reply::Line("NOT_FOUND") };
        let text = str::from_utf8(&item.data).ok().map(str::trim_end);
        let Some(old) = text.and_then(|text| text.parse::<u64>().ok()) else {
            return Reply::ClientError("cannot increment or decrement non-numeric value");
        };
        let new = if down { old.saturating_sub(by) } else { old.wrapping_add(by) };
        let before = item.data.len();
        item.data = new.to_string().into();
        let after = item.data.len();
        self.used = self.used + after - before;
        self.number += 1;
        if let Some(item) = self.items.get_mut(key) {
            item.number = self.number;
        }
        Reply::Number(new)
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(item) = self.items.remove(key) {
            self.used -= key.len() + item.data.len() + OVERHEAD;
        }
    }

    fn forget_expired(&mut self, now: SystemTime) {
        let expired = |item: &Item| item.expires.is_some_and(|at| at <= now);
        self.items.retain(|_, item| !expired(item));
        self.used =
            self.items.iter().map(|(key, item)| key.len() + item.data.len() + OVERHEAD).sum();
    }

    fn flush_if_due(&mut self, now: SystemTime) {
        if self.flush.is_some_and(|at| at <= now) {
            self.items.clear();
            (self.used, self.flush) = (0, None);
        }
    }

    fn stats(&self, uptime: u64, room: usize) -> Reply {
        Reply::Stats(vec![
            ("pid", std::process::id().into()),
            ("uptime", uptime),
            ("curr_items", self.items.len() as u64),
            ("total_items", self.stores),
            ("bytes", self.used as u64),
            ("limit_maxbytes", room as u64),
            ("get_hits", self.hits),
            ("get_misses", self.misses),
        ])
    }
}

/// When what has that time to live expires.
fn deadline(time: i64, now: SystemTime) -> Option<SystemTime> {
    let seconds = Duration::from_secs(time.unsigned_abs());
    match time {
        0 => None,
        // It has expired already.
        ..0 => Some(UNIX_EPOCH),
        1..=RELATIVE => now.checked_add(seconds),
        _ => UNIX_EPOCH.checked_add(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cache: &Cache, key: &[u8], data: &[u8], expires: i64) -> Reply {
        let (verb, flags, number, quiet) = (Verb::Set, 0, 0, false);
        let store = Store { verb, key, flags, expires, data, number, quiet };
        cache.run(Command::Store(store)).unwrap()
    }

    fn count(cache: &Cache) -> u64 {
        let Some(Reply::Stats(stats)) = cache.run(Command::Stats) else { panic!("no stats") };
        stats.iter().find(|(name, _)| *name == "curr_items").unwrap().1
    }

    #[test]
    fn room_is_made_of_what_has_expired_and_of_nothing_else() {
        let cache = Cache::new(10 * (1000 + OVERHEAD + 1));
        let data = [b'x'; 1000];
        for key in b'a'..b'a' + 10 {
            let expires = if key == b'c' { -1 } else { 0 };
            assert_eq!(set(&cache, &[key], &data, expires), Reply::Line("STORED"));
        }
        assert_eq!(count(&cache), 10);
        assert_eq!(set(&cache, b"y", &data, 0), Reply::Line("STORED"));
        let full = Reply::ServerError("out of memory storing object");
        assert_eq!(set(&cache, b"z", &data, 0), full);
        assert_eq!(count(&cache), 10);
        // What takes no more room than it had is stored.
        assert_eq!(set(&cache, b"a", &data, 0), Reply::Line("STORED"));
    }
}
