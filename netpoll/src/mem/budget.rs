//! The byte budget of the process: what was taken from the system and not given back.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::raw::{MAX_TOTAL, Unique};
use crate::{Error, ErrorKind, Result};

/// Makes and frees blocks, and counts their bytes against a limit.
///
/// The counts order nothing: they are changed by single read-modify-writes, and only when a block
/// is made or freed.
#[derive(Debug)]
pub(super) struct Budget {
    held: AtomicUsize,
    limit: AtomicUsize,
    refused: AtomicU64,
}

impl Budget {
    /// Returns a budget without a limit.
    pub(super) const fn new() -> Self {
        Self {
            held: AtomicUsize::new(0),
            limit: AtomicUsize::new(usize::MAX),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn set_limit(&self, limit: Option<usize>) {
        self.limit.store(limit.unwrap_or(usize::MAX), Relaxed);
    }

    pub(super) fn limit(&self) -> Option<usize> {
        Some(self.limit.load(Relaxed)).filter(|&l| l != usize::MAX)
    }

    /// Returns the number of bytes taken from the system and not given back.
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Returns how many allocations were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Returns whether so little is left that nothing should be cached.
    #[inline]
    pub(super) fn is_tight(&self) -> bool {
        let limit = self.limit.load(Relaxed);
        self.held() > limit - limit / 8
    }

    /// Returns a new block, or `None` if the limit is reached.
    ///
    /// # Errors
    /// `Limit` if the system has no memory.
    pub(super) fn make(&self, total: usize) -> Result<Option<Unique>> {
        let limit = self.limit.load(Relaxed);
        let fits = |held: usize| held.checked_add(total).filter(|&sum| sum <= limit);
        if total > MAX_TOTAL || self.held.fetch_update(Relaxed, Relaxed, fits).is_err() {
            return Ok(None);
        }
        match Unique::make(total) {
            Some(block) => Ok(Some(block)),
            None => {
                self.held.fetch_sub(total, Relaxed);
                self.refused.fetch_add(1, Relaxed);
                let message = format!("the system has no memory for a block of {total} bytes");
                Err(Error::new(ErrorKind::Limit, message))
            }
        }
    }

    /// Gives a block to the system.
    pub(super) fn free(&self, block: Unique) {
        let total = block.total();
        drop(block);
        self.held.fetch_sub(total, Relaxed);
    }

    /// Returns the error that says that `total` more bytes are too many; `cached` of those held are
    /// unused.
    #[cold]
    pub(super) fn refuse(&self, total: usize, cached: usize) -> Error {
        self.refused.fetch_add(1, Relaxed);
        let out = self.held().saturating_sub(cached);
        let limit = self.limit.load(Relaxed);
        let message = if total > MAX_TOTAL {
            format!("a block of {total} bytes: at most {MAX_TOTAL} are possible")
        } else {
            format!("memory limit of {limit} bytes: {out} in use, {cached} cached, {total} wanted")
        };
        Error::new(ErrorKind::Limit, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_what_is_freed_can_be_had_again() {
        let budget = Budget::new();
        budget.set_limit(Some(1000));
        let a = budget.make(512).unwrap().unwrap();
        assert!(budget.make(512).unwrap().is_none());
        let error = budget.refuse(512, 0);
        assert_eq!(error.kind(), ErrorKind::Limit);
        let text = error.to_string();
        assert!(text.contains("1000") && text.contains("512 in use"), "{text}");
        budget.free(a);
        assert_eq!(budget.held(), 0);
        let b = budget.make(512).unwrap().unwrap();
        budget.free(b);
        assert!(budget.make(MAX_TOTAL + 1).unwrap().is_none());
    }
}
