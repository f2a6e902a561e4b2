//! A batch of datagrams in one block.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
};

use super::{
    datagram::{Datagram, Ecn, Origin},
    endpoint::Endpoint,
};
use crate::{
    error::Result,
    mem::{self, BlockMut},
    sys::udp::{BATCH, Incoming, LONGEST},
};

/// The largest block that is cached has room for so many bytes.
const ROOM: usize = (2 << 20) - 64;

/// Beside each slot of the longest datagrams: slots that are a power of two apart would share a few
/// sets of the cache.
const STAGGER: usize = 2_112;

/// Messages that a batch asks for first.
const FEW: usize = 8;

/// Datagrams that a batch is sized for, where messages are several.
const AIM: usize = 256;

/// How many messages the next batch asks for: more while there are many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appetite(usize);

impl Default for Appetite {
    fn default() -> Self {
        Self(FEW)
    }
}

impl Appetite {
    /// The batch gave `datagrams` in `messages`, of which `asked` could have come.
    fn ate(&mut self, asked: usize, messages: usize, datagrams: usize) {
        self.0 = if messages == asked { (asked * 2).min(BATCH) } else { FEW.max(messages) };
        if datagrams > messages {
            self.0 = self.0.min((AIM * messages / datagrams).max(1));
        }
    }
}

/// A batch that was received.
#[derive(Debug)]
pub(crate) struct Batch {
    block: BlockMut,
    /// From one message's first byte to the next one's.
    slot: usize,
    messages: [Option<Incoming>; BATCH],
    /// Messages that there are.
    len: usize,
    /// As many came as were asked for, so that more may wait.
    pub(crate) full: bool,
}

/// What a batch is received with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most bytes of a datagram.
    pub(crate) max_datagram: usize,
    /// The most messages.
    pub(crate) messages: usize,
}

/// A batch, or why there is none.
pub(crate) enum Received {
    Batch(Box<Batch>),
    /// Nothing has come.
    Nothing,
    Failed(io::Error),
}

/// Receives a batch from `endpoint`.
///
/// # Errors
/// `Limit`: there is no memory for the block.
pub(crate) fn receive(
    endpoint: &dyn Endpoint,
    limits: Limits,
    appetite: &mut Appetite,
) -> Result<Received> {
    // One byte more than may be, so that what is cut off shows. Gathered datagrams come as one.
    let longest = if endpoint.gathers() { LONGEST } else { limits.max_datagram };
    let slot = (longest + 1).next_multiple_of(64);
    let slot = if slot > STAGGER { slot + STAGGER } else { slot };
    let asked = appetite.0.min(limits.messages).min(ROOM / slot);
    let mut block = mem::alloc(asked * slot)?;
    let mut slots = block.claim_uncleared(asked * slot).chunks_exact_mut(slot);
    let mut buffers: [IoSliceMut<'_>; BATCH] =
        std::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
    let mut messages = [None; BATCH];
    let (mut len, mut datagrams) = (0, 0);
    let taken = endpoint.receive(&mut buffers[..asked], &mut |incoming| {
        datagrams += incoming.len.div_ceil(incoming.stride.max(1)).max(1);
        messages[len] = Some(incoming);
        len += 1;
    });
    match taken {
        Ok(_) => {
            appetite.ate(asked, len, datagrams);
            let full = len == asked;
            Ok(Received::Batch(Box::new(Batch { block, slot, messages, len, full })))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
        Err(error) => Ok(Received::Failed(error)),
    }
}

impl Batch {
    /// The datagrams in the order of their coming. `local` is the socket's address.
    pub(crate) fn datagrams(&self, local: SocketAddr) -> impl Iterator<Item = Datagram<'_>> {
        let slots = self.block.filled().chunks_exact(self.slot);
        let messages = self.messages[..self.len].iter().flatten();
        slots.zip(messages).flat_map(move |(slot, incoming)| {
            let origin = origin(incoming, local);
            let bytes = &slot[..incoming.len.min(slot.len())];
            // An empty datagram is one too.
            let n = incoming.len.div_ceil(incoming.stride.max(1)).max(1);
            (0..n).map(move |i| {
                let from = i * incoming.stride;
                let to = (from + incoming.stride).min(bytes.len());
                Datagram { bytes: &bytes[from..to], origin }
            })
        })
    }
}

/// Where `incoming` came from and where to.
fn origin(incoming: &Incoming, local: SocketAddr) -> Origin {
    let to = incoming.to.unwrap_or(local.ip());
    let mut at = local;
    at.set_ip(to);
    let broadcast = matches!(to, IpAddr::V4(v4) if v4.is_broadcast());
    let answerable = incoming.to.is_some() && !to.is_multicast() && !broadcast;
    Origin { peer: incoming.peer, local: at, answerable, ecn: Ecn::from_bits(incoming.ecn) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_they_are_full_and_shrink_where_messages_hold_many() {
        let mut appetite = Appetite::default();
        appetite.ate(FEW, FEW, FEW);
        assert_eq!(appetite.0, 2 * FEW);
        appetite.ate(2 * FEW, 3, 3);
        assert_eq!(appetite.0, FEW);
        appetite.ate(FEW, FEW, FEW * 64);
        assert_eq!(appetite.0, AIM / 64);
        appetite.ate(1, 1, 1_000);
        assert_eq!(appetite.0, 1);
        appetite.ate(1, 1, 1);
        assert_eq!(appetite.0, 2);
    }

    #[test]
    fn an_address_of_many_is_no_reply_s_origin() {
        let local = SocketAddr::from(([0, 0, 0, 0], 53));
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let came = |to: Option<[u8; 4]>| {
            let to = to.map(IpAddr::from);
            origin(&Incoming { peer, to, ecn: 0, len: 0, stride: 0 }, local)
        };
        let at = came(Some([127, 0, 0, 2]));
        assert!(at.answerable);
        assert_eq!(at.local, SocketAddr::from(([127, 0, 0, 2], 53)));
        assert!(!came(Some([239, 1, 2, 3])).answerable);
        assert!(!came(Some([255, 255, 255, 255])).answerable);
        assert!(!came(None).answerable);
    }
}
