//! [`Quota`]: the part of the memory that one stream may fill, so that a stream whose peer does not read leaves
//! slices to the others.
//!
//! A peer that reads gives slices back, without a word. Those that a stream has sent are noted, and are looked
//! at again, the oldest first: one that lies free, or that this process has taken again, was given back. One that
//! the peer has taken again meanwhile looks as if it had not been: it is found at a later look.

use std::collections::VecDeque;

use super::slices::{Held, Slices};

/// A stream may fill this part of the memory.
const PART: usize = 4;

/// Slices that are noted before the first look.
const FEW: usize = 64;

/// A look ends after so many slices that were not given back.
const PATIENCE: usize = 16;

/// The slices that a stream has sent, as far as they are not known to have been given back.
#[derive(Debug)]
pub(super) struct Quota {
    sent: VecDeque<Held>,
    /// The bytes that they can carry.
    bytes: usize,
    /// With so many slices there is another look.
    look_at: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Self { sent: VecDeque::new(), bytes: 0, look_at: FEW }
    }
}

impl Quota {
    /// Returns how many bytes the stream may send now.
    pub(super) fn room(&mut self, slices: &Slices) -> usize {
        let most = slices.bytes() / PART;
        if self.sent.len() >= self.look_at || self.bytes >= most {
            self.look(slices);
        }
        if self.sent.is_empty() {
            // A memory of a few slices only is for whoever comes.
            return usize::MAX;
        }
        most.saturating_sub(self.bytes)
    }

    fn look(&mut self, slices: &Slices) {
        let mut missing = 0;
        while missing < PATIENCE
            && let Some(&slice) = self.sent.get(missing)
        {
            if slices.is_back(slice) {
                self.bytes -= slices.capacity(slice);
                // The first one takes its place, so that those that are missing stay in front.
                self.sent.swap_remove_front(missing);
            } else {
                missing += 1;
            }
        }
        self.look_at = FEW.max(2 * self.sent.len());
        self.sent.shrink_to(self.look_at);
    }

    /// Notes a slice that was sent.
    pub(super) fn note(&mut self, slice: Held, slices: &Slices) {
        self.sent.push_back(slice);
        self.bytes += slices.capacity(slice);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{shm::slices::Received, sys::Region};

    #[test]
    fn a_stream_fills_its_part_and_goes_on_with_what_is_given_back() {
        let region = Arc::new(Region::create(c"quota", 1 << 20).unwrap());
        let here = Slices::create(region.clone(), &[(1004, 100)]).unwrap();
        let there = Slices::attach(region).unwrap();
        let mut quota = Quota::default();
        let mut sent: VecDeque<Received> = VecDeque::new();
        let fill = |quota: &mut Quota, sent: &mut VecDeque<Received>| {
            let mut n = 0;
            while quota.room(&here) > 0 {
                let slice = here.take(1000).unwrap().unwrap();
                here.finish(slice, 1000, None);
                here.send(slice);
                quota.note(slice, &here);
                sent.push_back(there.receive(here.offset(slice)).unwrap());
                n += 1;
            }
            n
        };
        let part = fill(&mut quota, &mut sent);
        assert!(part * 1004 <= here.bytes() / PART + 1004 && part > 200, "{part} slices");
        assert_eq!(fill(&mut quota, &mut sent), 0);
        // Out of order too: the peer's streams are read by many threads.
        for i in [3, 0, 5, 1] {
            there.give_back(sent.remove(i).unwrap().slice).unwrap();
        }
        assert_eq!(fill(&mut quota, &mut sent), 4);
        for slice in sent.drain(..) {
            there.give_back(slice.slice).unwrap();
        }
        assert_eq!(fill(&mut quota, &mut sent), part);
    }
}
