//! [`Quota`]: the part of the memory that one stream may fill while memory is scarce, so that a stream whose peer
//! does not read leaves slices to the others. Beyond it the stream falls back to the socket. It does not wait: a
//! peer may keep all slices of a message until its last byte has come.
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
    /// Returns whether the stream has filled its part, and less than half of the memory is free.
    pub(super) fn is_full(&mut self, slices: &Slices) -> bool {
        let most = slices.bytes() / PART;
        if self.sent.len() >= self.look_at || self.bytes >= most {
            self.look(slices);
        }
        self.bytes >= most && slices.free_bytes() < slices.bytes() / 2
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
        let mut sent: VecDeque<Received> = VecDeque::new();
        let send = |quota: &mut Quota| {
            let slice = here.take(1000).unwrap().unwrap();
            here.finish(slice, 1000, None);
            here.send(slice);
            quota.note(slice, &here);
            there.receive(here.offset(slice)).unwrap()
        };
        let fill = |quota: &mut Quota, sent: &mut VecDeque<Received>| {
            let before = sent.len();
            while !quota.is_full(&here) {
                sent.push_back(send(quota));
            }
            sent.len() - before
        };
        // One alone fills half of the memory, and then others find room for their part.
        let (mut first, mut second) = (Quota::default(), Quota::default());
        let half = fill(&mut first, &mut sent);
        let part = here.bytes() / PART / 1004;
        assert!(half.abs_diff(2 * part) <= 2, "{half} of {part}");
        assert_eq!(fill(&mut first, &mut sent), 0);
        let mut others = VecDeque::new();
        assert!(fill(&mut second, &mut others).abs_diff(part) <= 1);
        // Out of order too: the peer's streams are read by many threads.
        for i in [3, 0, 5, 1] {
            there.give_back(sent.remove(i).unwrap().slice).unwrap();
        }
        assert_eq!(fill(&mut first, &mut sent), 0, "it has more than its part");
        for slice in sent.drain(..) {
            there.give_back(slice.slice).unwrap();
        }
        assert!(fill(&mut first, &mut sent) >= part);
    }
}
