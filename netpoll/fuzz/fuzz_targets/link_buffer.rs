//! Sequences of operations on a `LinkBuffer` against plain byte queues.
#![no_main]

#[path = "../../tests/buf_model/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;
use world::{Op, World};

/// The longest sequence: the model looks at all bytes after each step.
const OPS: usize = 200;

fuzz_target!(|bytes: &[u8]| {
    let mut world = World::default();
    for step in bytes.chunks_exact(4).take(OPS) {
        world.apply(op([step[0], step[1], step[2], step[3]]));
        world.check();
    }
    world.finish();
});

/// An operation, with sizes about the edges of small and large blocks.
fn op([kind, scale, a, b]: [u8; 4]) -> Op {
    let size = |n: u8, scale: u8| match scale % 4 {
        0 => usize::from(n) % 20,
        1 => usize::from(n) * 3,
        2 => usize::from(n) * 36,
        _ => (1 << (n % 14)) + usize::from(n / 14) - 9.min(1 << (n % 14)),
    };
    let (first, second) = (size(a, scale), size(b, scale / 4));
    match kind % 29 {
        0 => Op::Next(first),
        1 => Op::Peek(first),
        2 => Op::Skip(first),
        3 => Op::Until(a),
        4 => Op::UntilPair(a, a.wrapping_add(1)),
        5 => Op::ReadBytes(first),
        6 => Op::Slice(first),
        7 => Op::PeekSlice(first),
        8 => Op::ReadByte,
        9 => Op::BufAdvance(first),
        10 => Op::Cut(first),
        11 => Op::Malloc(first),
        12 => Op::Ack(first),
        13 => Op::Write(first),
        14 => Op::WriteBytes(first),
        15 => Op::WriteDirect(first, second),
        16 => Op::Patch(first, second),
        17 => Op::Append(first, second),
        18 => Op::AppendSlice,
        19 => Op::BufMut(first),
        20 | 21 => Op::Flush,
        22 => Op::Push(first),
        23 => Op::ReadBlock(first),
        24 => Op::Prepend(first),
        25 => Op::Compact,
        26 => Op::Tidy,
        27 => Op::Take,
        _ => Op::Clear,
    }
}
