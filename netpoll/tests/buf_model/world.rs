//! A `LinkBuffer` beside two plain byte queues: whatever is done to both, they hold the same.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, BufMut, Bytes};
use netpoll::{
    buf::{LinkBuffer, LinkSlice},
    mem,
};

/// What can be done to a buffer.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    // Reading.
    Next(usize),
    Peek(usize),
    Skip(usize),
    Until(u8),
    UntilPair(u8, u8),
    ReadBytes(usize),
    Slice(usize),
    PeekSlice(usize),
    ReadByte,
    BufAdvance(usize),
    Cut(usize),
    // Writing.
    Malloc(usize),
    Ack(usize),
    Write(usize),
    WriteBytes(usize),
    WriteDirect(usize, usize),
    Patch(usize, usize),
    Append(usize, usize),
    AppendSlice,
    BufMut(usize),
    Flush,
    // Nodes.
    Push(usize),
    ReadBlock(usize),
    Prepend(usize),
    Compact,
    Tidy,
    Take,
    Clear,
}

/// Bytes that count up, so that each place has a value of its own for a while.
#[derive(Default)]
pub(crate) struct Bytes256(u8);

impl Bytes256 {
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        (0..n)
            .map(|_| {
                self.0 = self.0.wrapping_add(1);
                self.0
            })
            .collect()
    }
}

/// A buffer, what it should hold, and what was taken from it.
#[derive(Default)]
pub(crate) struct World {
    buffer: LinkBuffer,
    readable: VecDeque<u8>,
    unflushed: Vec<u8>,
    /// Which of the unflushed bytes may be patched.
    own: Vec<bool>,
    /// Slices that were taken, with their bytes.
    kept: Vec<(LinkSlice, Vec<u8>)>,
    /// One of them was appended: the same bytes may be in the buffer twice, and are kept once.
    twice: bool,
    read_block: Option<mem::BlockMut>,
    source: Bytes256,
}

impl World {
    fn front(&self, n: usize) -> Vec<u8> {
        self.readable.iter().take(n).copied().collect()
    }

    fn write(&mut self, bytes: &[u8], own: bool) {
        self.unflushed.extend_from_slice(bytes);
        self.own.extend(bytes.iter().map(|_| own));
    }

    /// Runs `op` on both; a wish for more than there is must fail and change nothing.
    pub(crate) fn apply(&mut self, op: Op) {
        match op {
            Op::Next(n) => {
                let want = self.front(n);
                match self.buffer.next(n) {
                    Ok(got) => {
                        assert_eq!(got, want);
                        self.readable.drain(..n);
                    }
                    Err(_) => assert!(n > self.readable.len()),
                }
            }
            Op::Peek(n) => match self.buffer.peek(n) {
                Ok(got) => {
                    assert_eq!(got, self.readable.iter().take(n).copied().collect::<Vec<_>>())
                }
                Err(_) => assert!(n > self.readable.len()),
            },
            Op::Skip(n) => match self.buffer.skip(n) {
                Ok(()) => drop(self.readable.drain(..n)),
                Err(_) => assert!(n > self.readable.len()),
            },
            Op::Until(b) => {
                let end = self.readable.iter().position(|&x| x == b).map(|at| at + 1);
                self.until(&[b], end);
            }
            Op::UntilPair(a, b) => {
                let all: Vec<u8> = self.readable.iter().copied().collect();
                let end = all.windows(2).position(|w| w == [a, b]).map(|at| at + 2);
                self.until(&[a, b], end);
            }
            Op::ReadBytes(n) => {
                let want = self.front(n);
                match self.buffer.read_bytes(n) {
                    Ok(got) => {
                        assert_eq!(got, want);
                        self.readable.drain(..n);
                    }
                    Err(_) => assert!(n > self.readable.len()),
                }
            }
            Op::Slice(n) => {
                let want = self.front(n);
                match self.buffer.slice(n) {
                    Ok(got) => {
                        self.readable.drain(..n);
                        self.kept.push((got, want));
                    }
                    Err(_) => assert!(n > self.readable.len()),
                }
            }
            Op::PeekSlice(n) => {
                let at = n / 3;
                match self.buffer.peek_range(at, n - at) {
                    Ok(got) => self.kept.push((got, self.front(n).split_off(at))),
                    Err(_) => assert!(n > self.readable.len()),
                }
            }
            Op::ReadByte => assert_eq!(self.buffer.read_byte().ok(), self.readable.pop_front()),
            Op::BufAdvance(n) => {
                let n = n.min(self.readable.len());
                Buf::advance(&mut self.buffer, n);
                self.readable.drain(..n);
            }
            Op::Cut(n) => {
                // A slice of a slice, and what consuming it leaves.
                if let Some((slice, bytes)) = self.kept.last_mut() {
                    let n = n.min(bytes.len());
                    let mut part = slice.slice(n / 2..);
                    part.truncate(n - n / 2);
                    let nodes = (0..part.node_count()).map(|i| part.node(i));
                    assert!(nodes.eq(part.chunks()) && part.node(part.node_count()).is_empty());
                    let want = bytes[n / 2..n].to_vec();
                    slice.advance(n);
                    bytes.drain(..n);
                    assert_eq!(*slice, bytes[..]);
                    self.kept.push((part, want));
                }
            }
            Op::Malloc(n) => {
                let bytes = self.source.take(n);
                self.buffer.malloc(n).unwrap().copy_from_slice(&bytes);
                self.write(&bytes, true);
            }
            Op::Ack(n) => {
                let n = n.min(self.unflushed.len());
                self.buffer.malloc_ack(n);
                self.unflushed.truncate(n);
                self.own.truncate(n);
            }
            Op::Write(n) => {
                let bytes = self.source.take(n);
                self.buffer.write(&bytes).unwrap();
                self.write(&bytes, true);
            }
            Op::WriteBytes(n) => {
                let bytes = self.source.take(n);
                match n % 2 {
                    0 => self.buffer.write_bytes(bytes.clone().into()).unwrap(),
                    _ => {
                        let slice = mem::Slice::from_bytes(bytes.clone().into()).unwrap();
                        self.buffer.write_slice(slice);
                    }
                }
                self.write(&bytes, false);
            }
            Op::WriteDirect(n, remain) => {
                let bytes = self.source.take(n);
                let at = self.unflushed.len() - remain.min(self.unflushed.len());
                let remain = self.unflushed.len() - at;
                self.buffer.write_direct(Bytes::from(bytes.clone()), remain).unwrap();
                self.unflushed.splice(at..at, bytes);
                self.own.splice(at..at, vec![false; n]);
            }
            Op::Patch(at, n) => {
                let at = at.min(self.unflushed.len());
                let n = self.own[at..].iter().take(n).take_while(|&&own| own).count();
                let bytes = self.source.take(n);
                self.buffer.patch(at, &bytes);
                self.unflushed[at..at + n].copy_from_slice(&bytes);
            }
            Op::Append(flushed, unflushed) => {
                let bytes = self.source.take(flushed + unflushed);
                let mut other = LinkBuffer::try_from(&bytes[..flushed]).unwrap();
                other.write(&bytes[flushed..]).unwrap();
                self.buffer.append(other);
                self.write(&bytes, false);
            }
            Op::AppendSlice => {
                if let Some((slice, bytes)) = self.kept.last().cloned() {
                    self.twice = true;
                    self.buffer.append_slice(slice);
                    self.write(&bytes, false);
                }
            }
            Op::BufMut(n) => {
                let bytes = self.source.take(n);
                // Through `chunk_mut`, piece by piece.
                self.buffer.put(&bytes[..]);
                self.write(&bytes, true);
            }
            Op::Flush => {
                self.buffer.flush();
                self.readable.extend(self.unflushed.drain(..));
                self.own.clear();
            }
            Op::Push(n) => {
                let bytes = self.source.take(n);
                let mut block = mem::alloc(n).unwrap();
                block.claim(n).copy_from_slice(&bytes);
                self.buffer.push(block.into_slice());
                self.readable.extend(bytes);
            }
            Op::ReadBlock(n) => {
                // As a worker reads: into what is left of its block, reset when nobody reads there.
                let block = self.read_block.get_or_insert_with(|| mem::alloc(16_000).unwrap());
                block.try_reset();
                let n = n.min(block.spare_len());
                let bytes = self.source.take(n);
                block.spare_mut()[..n].copy_from_slice(&bytes);
                block.commit(n);
                self.buffer.push(block.take_filled());
                self.readable.extend(bytes);
            }
            Op::Prepend(n) => {
                // What a socket did not take: the front was taken out, and goes back.
                let n = n.min(self.readable.len());
                let mut front = LinkBuffer::new();
                front.append_slice(self.buffer.slice(n).unwrap());
                self.buffer.prepend(front);
            }
            Op::Compact => self.buffer.compact_small(),
            Op::Tidy => self.buffer.tidy(),
            Op::Take => {
                let taken = self.buffer.take_all();
                assert!(self.buffer.is_empty() && self.buffer.retained() == 0);
                self.buffer = taken;
            }
            Op::Clear => {
                self.buffer.clear();
                self.readable.clear();
                self.unflushed.clear();
                self.own.clear();
            }
        }
    }

    fn until(&mut self, delimiter: &[u8], end: Option<usize>) {
        let want = end.map(|end| self.front(end));
        assert_eq!(self.buffer.until(delimiter).ok().map(<[u8]>::to_vec), want);
        self.readable.drain(..end.unwrap_or(0));
    }

    pub(crate) fn check(&mut self) {
        let b = &self.buffer;
        assert_eq!((b.len(), b.malloc_len()), (self.readable.len(), self.unflushed.len()));
        assert_eq!(*b, *self.readable.make_contiguous());
        let mut out = [IoSlice::new(&[]); 1024];
        let n = b.io_slices(&mut out);
        assert_eq!(n, b.node_count());
        assert!((0..n).all(|i| !b.node(i).is_empty() && *b.node(i) == *out[i]));
        assert!(b.retained() >= if self.twice { b.len().min(1) } else { b.len() });
    }
    /// Drops the buffer: the slices outlive it and are the same on another thread.
    pub(crate) fn finish(self) {
        let Self { kept, buffer, .. } = self;
        drop(buffer);
        std::thread::spawn(move || {
            for (slice, bytes) in kept {
                assert_eq!(slice, bytes[..]);
                assert_eq!(slice.to_bytes(), bytes);
                let mut copy = vec![0; slice.len()];
                slice.copy_to(&mut copy);
                assert_eq!(copy, bytes);
            }
        })
        .join()
        .unwrap();
    }
}
