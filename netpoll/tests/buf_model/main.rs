//! Random sequences of operations on a `LinkBuffer` against two plain byte queues.

mod world;

use netpoll::{buf::LinkBuffer, mem};
use proptest::{prelude::*, test_runner::RngSeed};

use world::{Bytes256, Op, World};

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
        let mut world = World::default();
        for op in ops {
            world.apply(op);
            world.check();
        }
        world.finish();
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
