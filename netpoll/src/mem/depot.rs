//! The depot: blocks that no thread's shelf has room for, shared by all.

use super::{
    class::{CLASSES, Class},
    raw::Unique,
};
use crate::primitive::Mutex;

/// A bounded stack of free blocks for each size class, each behind a lock of its own. Shelves come
/// here with whole batches, so that the lock is taken seldom.
pub(super) struct Depot([Mutex<Stack>; CLASSES]);

#[derive(Default)]
struct Stack {
    blocks: Vec<Unique>,
    /// The fewest blocks that were here since the last [`Depot::shrink`]: so many nobody needed.
    idle: usize,
}

impl Depot {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(Stack::default())))
    }

    /// Moves the last `n` of `from` here as far as there is room; returns those that found none.
    #[must_use = "what found no room is to be freed"]
    pub(super) fn put(&self, class: Class, from: &mut Vec<Unique>, n: usize) -> Vec<Unique> {
        let keep = from.len().saturating_sub(n);
        let mut stack = self.0[class.index()].lock();
        let room = class.in_depot().saturating_sub(stack.blocks.len());
        let first = keep.max(from.len().saturating_sub(room));
        stack.blocks.extend(from.drain(first..));
        drop(stack);
        from.split_off(keep)
    }

    /// Moves up to `n` blocks from here to `to`.
    pub(super) fn take(&self, class: Class, to: &mut Vec<Unique>, n: usize) {
        let mut stack = self.0[class.index()].lock();
        let keep = stack.blocks.len().saturating_sub(n);
        to.extend(stack.blocks.drain(keep..));
        stack.idle = stack.idle.min(keep);
    }

    /// Takes out the blocks that nobody needed since the last call.
    #[must_use = "they are to be freed"]
    pub(super) fn shrink(&self) -> Vec<Unique> {
        let mut out = Vec::new();
        for stack in &self.0 {
            let mut stack = stack.lock();
            let idle = stack.idle.min(stack.blocks.len());
            // The oldest lie at the bottom: the top stays warm.
            out.extend(stack.blocks.drain(..idle));
            stack.idle = stack.blocks.len();
            if stack.blocks.is_empty() {
                stack.blocks = Vec::new();
            }
        }
        out
    }

    /// Takes out all blocks.
    #[must_use = "they are to be freed"]
    pub(super) fn clear(&self) -> Vec<Unique> {
        let mut out = Vec::new();
        for stack in &self.0 {
            let mut stack = stack.lock();
            out.append(&mut stack.blocks);
            stack.idle = 0;
        }
        out
    }

    /// Returns the bytes that lie here.
    pub(super) fn bytes(&self) -> usize {
        Class::all().map(|c| self.0[c.index()].lock().blocks.len() * c.total()).sum()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn blocks(n: usize) -> Vec<Unique> {
        (0..n).map(|_| Unique::make(64).unwrap()).collect()
    }

    #[test]
    fn it_is_bounded_and_gives_back_what_it_refuses() {
        let (depot, class) = (Depot::new(), Class::for_capacity(0).unwrap());
        let most = class.in_depot();
        let mut mine = blocks(most + 5);
        let refused = depot.put(class, &mut mine, most + 3);
        assert_eq!((mine.len(), refused.len(), depot.bytes()), (2, 3, most * 64));
        assert_eq!(depot.put(class, &mut mine, 9).len(), 2);
        assert!(mine.is_empty());
    }

    #[test]
    fn shrink_takes_what_was_not_needed_since_the_last_time() {
        let (depot, class) = (Depot::new(), Class::for_capacity(0).unwrap());
        assert!(depot.put(class, &mut blocks(10), 10).is_empty());
        assert!(depot.shrink().is_empty(), "they came after the last look");
        let mut mine = Vec::new();
        depot.take(class, &mut mine, 4);
        assert!(depot.put(class, &mut mine, 4).is_empty());
        assert_eq!(depot.shrink().len(), 6);
        assert_eq!(depot.shrink().len(), 4);
        assert_eq!(depot.bytes(), 0);
    }
}
