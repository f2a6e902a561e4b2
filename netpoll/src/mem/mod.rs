//! Memory for bytes in flight: blocks that are counted, reused and bounded.
//!
//! [`alloc`] gives a [`BlockMut`], the one writer of a block; what it has filled is handed on as
//! [`Slice`]s, which are counted references: they are cloned, split and sent to other threads
//! without a copy, and the block is used again when the last of them is gone. A block's bytes are
//! zeroed once, when it is made, and stay initialised: all of it can be lent out as safe slices.
//! What they hold after that is whatever their last user wrote.
//!
//! ```text
//!    alloc ◄── this thread's shelf ◄──┬── the depot (shared) ◄──┬── the system's allocator
//!    drop  ──►  (no lock, bounded) ───┘  (a lock for each size, ┘   (every byte of it counts
//!                                         bounded; shrinks)          against the limit)
//! ```
//!
//! Sizes are powers of two from 64 bytes to 2 MiB, a header of 16 bytes included; what is larger
//! is made for its one use. A block that is dropped goes to the shelf of the thread that drops it,
//! whole batches of a full shelf to the depot, and what the depot has no room for to the system.
//! [`trim`] empties a shelf, as does the end of its thread; [`shrink`], called now and then, gives
//! back what nobody needed in between.
//!
//! The limit ([`set_limit`]) bounds what was taken from the system and not given back, cached
//! blocks included. Within an eighth of it nothing is cached any more, and at it the caller's
//! shelf and the depot are given up before an allocation is refused.
//!
//! ```
//! let mut block = netpoll::mem::alloc(5)?;
//! block.spare_mut()[..5].copy_from_slice(b"hello");
//! block.commit(5);
//! let hello = block.take_filled();
//! let ell = hello.slice(1..4);
//! drop((block, hello));
//! assert_eq!(std::thread::spawn(move || ell.to_vec()).join().unwrap(), b"ell");
//! # Ok::<(), netpoll::Error>(())
//! ```

mod block;
mod budget;
mod cache;
mod class;
mod depot;
#[cfg(all(test, loom))]
mod loom_models;
mod raw;
mod shelf;
mod slice;

pub use block::BlockMut;
pub use cache::{MemStats, alloc, set_limit, shrink, stats, trim};
pub use slice::Slice;
pub(crate) use slice::bounds;
