//! Random sequences of operations on a `LinkBuffer` against two plain byte queues.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, BufMut, Bytes};
use netpoll::{
    buf::{LinkBuffer, LinkSlice},
    mem,
};
use proptest::{prelude::*, test_runner::RngSeed};

#[derive(Clone, Debug)]
enum Op {
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

fn op() -> impl Strategy<Value = Op> {
    let small = || prop_oneof![4 => 0..20usize, 2 => 0..700usize, 1 => 0..9000usize];
    let reading = prop_oneof![
        small().prop_map(Op::Next),
        small().prop_map(Op::Peek),
        small().prop_map(Op::Skip),
        any::<u8>().prop_map(Op::Until),
        any::<u8>().prop_map(|b| Op::UntilPair(b, b.wrapping_add(1))),
        small().prop_map(Op::ReadBytes),
        small().prop_map(Op::Slice),
        small().prop_map(Op::PeekSlice),
        Just(Op::ReadByte),
        small().prop_map(Op::BufAdvance),
        small().prop_map(Op::Cut),
    ];
    let writing = prop_oneof![
        small().prop_map(Op::Malloc),
        small().prop_map(Op::Ack),
        small().prop_map(Op::Write),
        small().prop_map(Op::WriteBytes),
        (small(), small()).prop_map(|(n, r)| Op::WriteDirect(n, r)),
        (small(), small()).prop_map(|(at, n)| Op::Patch(at, n)),
        (small(), small()).prop_map(|(f, u)| Op::Append(f, u)),
        Just(Op::AppendSlice),
        small().prop_map(Op::BufMut),
        Just(Op::Flush),
    ];
    let nodes = prop_oneof![
        3 => small().prop_map(Op::Push),
        3 => small().prop_map(Op::ReadBlock),
        1 => small().prop_map(Op::Prepend),
        1 => Just(Op::Compact),
        1 => Just(Op::Tidy),
        1 => Just(Op::Take),
        1 => Just(Op::Clear),
    ];
    prop_oneof![4 => reading, 5 => writing, 3 => nodes]
}

/// Bytes that count up, so that each place has a value of its own for a while.
#[derive(Default)]
struct Bytes256(u8);

impl Bytes256 {
    fn take(&mut self, n: usize) -> Vec<u8> {
        (0..n)
            .map(|_| {
                self.0 = self.0.wrapping_add(1);
                self.0
            })
            .collect()
    }
}

struct World {
    buffer: LinkBuffer,
    readable: VecDeque<u8>,
    unflushed: Vec<u8>,
    /// Which of the unflushed bytes may be patched.
    own: Vec<bool>,
    kept: Vec<(LinkSlice, Vec<u8>)>,
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
    fn apply(&mut self, op: Op) {
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

    fn check(&mut self) {
        let b = &self.buffer;
        assert_eq!((b.len(), b.malloc_len()), (self.readable.len(), self.unflushed.len()));
        assert_eq!(*b, *self.readable.make_contiguous());
        let mut out = [IoSlice::new(&[]); 1024];
        let n = b.io_slices(&mut out);
        assert_eq!(n, b.node_count());
        assert!((0..n).all(|i| !b.node(i).is_empty() && *b.node(i) == *out[i]));
        assert!(b.retained() >= b.len());
    }
}

/// The same cases in every run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` choose others. A failure
/// prints its smallest sequence.
fn config() -> ProptestConfig {
    let of_env = |name: &str| std::env::var(name).ok().and_then(|v| v.parse().ok());
    let seed = of_env("PROPTEST_RNG_SEED").unwrap_or(0x6c69_6e6b);
    let cases = of_env("PROPTEST_CASES").unwrap_or(400);
    println!("PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases}");
    ProptestConfig {
        cases: cases as u32,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_buffer_is_a_byte_queue(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = World {
            buffer: LinkBuffer::new(),
            readable: VecDeque::new(),
            unflushed: Vec::new(),
            own: Vec::new(),
            kept: Vec::new(),
            read_block: None,
            source: Bytes256::default(),
        };
        for op in ops {
            world.apply(op);
            world.check();
        }
        // The slices outlive the buffer and are the same on another thread.
        let World { kept, buffer, .. } = world;
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

    #[test]
    fn every_split_reads_the_same(cuts in prop::collection::vec(1..12usize, 1..10)) {
        let total: usize = cuts.iter().sum();
        let bytes = Bytes256::default().take(total);
        let whole = || {
            let mut b = LinkBuffer::new();
            let mut at = 0;
            for n in &cuts {
                let mut block = mem::alloc(*n).unwrap();
                block.claim(*n).copy_from_slice(&bytes[at..at + n]);
                b.push(block.into_slice());
                at += n;
            }
            b
        };
        for at in 0..=total {
            let mut b = whole();
            assert_eq!(b.next(at).unwrap(), &bytes[..at]);
            assert_eq!(b, bytes[at..]);
            let mut b = whole();
            let front = b.slice(at).unwrap();
            for cut in 0..=at {
                let (left, right) = (front.slice(..cut), front.slice(cut..));
                assert_eq!((left.to_vec(), right.to_vec()), (bytes[..cut].to_vec(), bytes[cut..at].to_vec()));
                assert_eq!(left.chunks().map(<[u8]>::len).sum::<usize>(), cut);
                assert!(left.chunks().all(|c| !c.is_empty()));
            }
            assert_eq!(front, bytes[..at]);
            assert_eq!(b.peek(total - at).unwrap(), &bytes[at..]);
            let mut b = whole();
            assert_eq!(b.read_bytes(at).unwrap(), &bytes[..at]);
            assert_eq!(b.read_bytes(total - at).unwrap(), &bytes[at..]);
            assert!(b.is_empty() && b.retained() == 0);
            if at < total {
                assert_eq!(whole().find(&bytes[at..], 0), Some(at));
                assert_eq!(whole().find(bytes[at], at), Some(at));
            }
        }
    }
}
