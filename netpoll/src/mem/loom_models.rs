//! Models of the count, of reuse after it, and of the depot, over all interleavings.
#![allow(unsafe_code)]

use std::sync::Arc;

use super::{
    block::BlockMut,
    class::Class,
    depot::Depot,
    raw::{Block, Unique},
};
use crate::primitive::thread;

fn unique() -> Unique {
    Unique::make(Class::for_capacity(0).unwrap().total()).unwrap()
}

/// An access that a handle makes before it goes, for loom's race detector.
struct Seen(loom::cell::UnsafeCell<u8>);

// SAFETY: loom's cell checks each access of every interleaving: that is what the models are for.
unsafe impl Sync for Seen {}
// SAFETY: as above.
unsafe impl Send for Seen {}

impl Seen {
    fn new() -> Arc<Self> {
        Arc::new(Self(loom::cell::UnsafeCell::new(0)))
    }

    fn read(&self) {
        self.0.with(|_| ());
    }

    fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

/// Of handles that go at the same time, exactly one gets the block, after the others have read.
#[test]
fn loom_the_last_of_three_handles_gets_the_block() {
    loom::model(|| {
        let seen = Seen::new();
        let a = unique().into_block();
        let go = |handle: Block, seen: Arc<Seen>| {
            move || {
                seen.read();
                let last = handle.release();
                if last.is_some() {
                    seen.write();
                }
                last.is_some()
            }
        };
        let t1 = thread::spawn(go(a.clone(), seen.clone()));
        let t2 = thread::spawn(go(a.clone(), seen.clone()));
        let last = [go(a, seen)(), t1.join().unwrap(), t2.join().unwrap()];
        assert_eq!(last.iter().filter(|&&l| l).count(), 1);
    });
}

/// A block that was found unique is written again only after its readers have read.
#[test]
fn loom_a_reset_comes_after_the_last_read() {
    loom::model(|| {
        let seen = Seen::new();
        let block = unique().into_block();
        let (reader, theirs) = (block.clone(), seen.clone());
        let t = thread::spawn(move || {
            theirs.read();
            drop(reader.release());
        });
        while !block.is_unique() {
            thread::yield_now();
        }
        seen.write();
        t.join().unwrap();
        drop(block.release());
    });
}

/// A handle shared by its exclusive holder, while an earlier one goes: the count stays right.
#[test]
fn loom_sharing_without_a_lock_counts() {
    loom::model(|| {
        let mut a = unique().into_block();
        let b = a.share();
        let t = thread::spawn(move || b.release().is_some());
        let c = a.share();
        let u = thread::spawn(move || c.release().is_some());
        let last = [a.release().is_some(), t.join().unwrap(), u.join().unwrap()];
        assert_eq!(last.iter().filter(|&&l| l).count(), 1);
    });
}

/// Two handles of one holder become one without a lock, while a third goes: the count stays right,
/// and what is unique then comes after the third's last read.
#[test]
fn loom_reuniting_without_a_lock_counts() {
    loom::model(|| {
        let seen = Seen::new();
        let mut a = unique().into_block();
        let b = a.share();
        let c = b.clone();
        let theirs = seen.clone();
        let t = thread::spawn(move || {
            theirs.read();
            c.release().is_some()
        });
        a.reunite(b);
        if a.is_unique() {
            seen.write();
        }
        let last = [a.release().is_some(), t.join().unwrap()];
        assert_eq!(last.iter().filter(|&&l| l).count(), 1);
    });
}

/// Blocks go through the depot, neither lost nor doubled.
#[test]
fn loom_the_depot_hands_each_block_to_one() {
    loom::model(|| {
        let class = Class::for_capacity(0).unwrap();
        let depot = Arc::new(Depot::new());
        let theirs = depot.clone();
        let t = thread::spawn(move || {
            let mut mine = vec![unique()];
            assert!(theirs.put(class, &mut mine, 1).is_empty());
            theirs.take(class, &mut mine, 2);
            mine
        });
        let mut mine = vec![unique()];
        assert!(depot.put(class, &mut mine, 1).is_empty());
        depot.take(class, &mut mine, 2);
        let theirs = t.join().unwrap();
        let left = depot.clear();
        assert_eq!(mine.len() + theirs.len() + left.len(), 2);
    });
}

/// A block comes out of the depot with its writer's range whole, on another thread.
#[test]
fn loom_a_released_block_serves_another_thread() {
    loom::model(|| {
        let class = Class::for_capacity(0).unwrap();
        let depot = Arc::new(Depot::new());
        let theirs = depot.clone();
        let a = unique().into_block();
        let b = a.clone();
        let t = thread::spawn(move || {
            let mut freed: Vec<_> = a.release().into_iter().collect();
            assert!(theirs.put(class, &mut freed, 1).is_empty());
        });
        let mut got: Vec<_> = b.release().into_iter().collect();
        depot.take(class, &mut got, 1);
        t.join().unwrap();
        depot.take(class, &mut got, 1);
        let block = BlockMut::new(got.pop().expect("one of the two released it").into_block());
        assert!(got.is_empty());
        // Dropped, it would go to the cache of the process, which outlives the model.
        std::mem::forget(block);
    });
}
