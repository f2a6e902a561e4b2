//! The cache: reuse, the limit, shrinking, threads that end. The counters are the process's, so the
//! tests take turns.

use std::{
    cell::RefCell,
    sync::{Mutex, MutexGuard, mpsc},
    thread,
};

use netpoll::{
    ErrorKind,
    buf::{LinkBuffer, ReadError},
    mem::{self, BlockMut, Slice},
};

/// A turn of a test, that begins with empty caches and leaves none behind.
struct Turn {
    _lock: MutexGuard<'static, ()>,
}

fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = Turn { _lock: TURN.lock().unwrap_or_else(|e| e.into_inner()) };
    empty();
    assert_eq!((mem::stats().out, mem::stats().cached), (0, 0));
    turn
}

impl Drop for Turn {
    fn drop(&mut self) {
        mem::set_limit(None);
        empty();
    }
}

/// What idle seconds do.
fn empty() {
    mem::trim();
    mem::shrink();
    mem::shrink();
}

fn filled(n: usize) -> Slice {
    let mut block = mem::alloc(n).unwrap();
    block.claim(n).fill(9);
    block.into_slice()
}

#[test]
fn a_dropped_block_is_used_again() {
    let _turn = turn();
    let before = mem::stats();
    let mut first = mem::alloc(1000).unwrap();
    assert!(first.spare_mut().iter().all(|&b| b == 0));
    assert_eq!(mem::stats().out, 1024);
    let at = first.spare_mut().as_ptr();
    drop(first);
    assert_eq!((mem::stats().out, mem::stats().cached), (0, 1024));
    assert_eq!(mem::alloc(600).unwrap().spare_mut().as_ptr(), at);
    let after = mem::stats();
    assert_eq!((after.hits - before.hits, after.misses - before.misses), (1, 1));
}

#[test]
fn writers_of_one_block_keep_apart_and_the_last_may_have_it_all() {
    let _turn = turn();
    let mut back = mem::alloc(100).unwrap();
    let whole = back.capacity();
    back.claim(10).fill(1);
    let mut front = back.split_to(4);
    assert_eq!((front.filled_len(), front.spare_len(), back.filled_len()), (4, 0, 6));
    front.filled_mut().fill(2);
    back.claim(1).fill(3);
    assert_eq!((front.filled(), back.filled()), (&[2; 4][..], &[1, 1, 1, 1, 1, 1, 3][..]));
    assert!(!front.try_reset() && !back.try_reset());
    drop(back);
    assert!(front.try_reset());
    assert_eq!((front.spare_len(), front.filled_len()), (whole, 0));
}

#[test]
fn capacities_are_those_of_the_classes() {
    let _turn = turn();
    for (asked, got) in [(0, 48), (48, 48), (49, 112), (4080, 4080), (4081, 8176), (65_520, 65_520)]
    {
        assert_eq!(mem::alloc(asked).unwrap().capacity(), got);
    }
    let large = mem::alloc(3 << 20).unwrap();
    assert!(large.capacity() >= 3 << 20 && large.block_size() <= (3 << 20) + 8192);
    let cached = mem::stats().cached;
    drop(large);
    assert_eq!(mem::stats().cached, cached, "what is larger than a class is not cached");
}

#[test]
fn the_limit_refuses_and_recovers() {
    let _turn = turn();
    mem::set_limit(Some(1 << 20));
    let mut held: Vec<BlockMut> = Vec::new();
    let error = loop {
        match mem::alloc(60_000) {
            Ok(block) => held.push(block),
            Err(e) => break e,
        }
    };
    assert_eq!((error.kind(), held.len()), (ErrorKind::Limit, 16));
    let text = error.to_string();
    assert!(text.contains("limit of 1048576") && text.contains("1048576 in use"), "{text}");
    assert!(mem::stats().refused > 0);

    // What is given back can be had again, in other sizes too: caches yield before a refusal.
    held.truncate(8);
    for n in [100, 5000, 100_000] {
        drop(mem::alloc(n).unwrap());
    }
    drop(held);
    drop(mem::alloc(1_000_000).unwrap());
    assert!(mem::alloc(2_000_000).is_err());
    let most = 1 << 20;
    assert!(mem::stats().out + mem::stats().cached <= most);
    assert_eq!(mem::alloc(usize::MAX).unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn a_buffer_that_meets_the_limit_keeps_what_it_has() {
    let _turn = turn();
    let mut b = LinkBuffer::new();
    b.write(b"written").unwrap();
    b.flush();
    b.push(filled(100));
    b.write(b"more").unwrap();
    mem::trim();
    mem::set_limit(Some(mem::stats().out));
    let spare = 4080 - 11;
    assert_eq!(b.write(&vec![0; spare + 1]).unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(b.malloc(spare + 1).unwrap_err().kind(), ErrorKind::Limit);
    assert!(matches!(b.next(50), Err(ReadError::Memory(_))));
    assert!(matches!(b.peek(50), Err(ReadError::Memory(_))));
    assert_eq!((b.len(), b.malloc_len(), b.node_count()), (107, 4, 2));
    b.write(&vec![1; spare]).unwrap();
    assert_eq!(b.next(7).unwrap(), b"written");
    mem::set_limit(None);
    b.flush();
    b.skip(100).unwrap();
    assert_eq!(b.next(5).unwrap(), b"more\x01");
}

#[test]
fn what_one_thread_frees_another_uses() {
    let _turn = turn();
    let slices: Vec<Slice> = (0..10).map(|_| filled(2000)).collect();
    let misses = mem::stats().misses;
    thread::spawn(move || drop(slices)).join().unwrap();
    assert_eq!((mem::stats().out, mem::stats().cached), (0, 10 * 2048));
    let again: Vec<Slice> = (0..10).map(|_| filled(2000)).collect();
    assert_eq!(mem::stats().misses, misses, "they came from the thread that ended");
    drop(again);
}

#[test]
fn a_block_may_go_after_its_threads_shelf() {
    let _turn = turn();
    thread_local! {
        static EARLY: RefCell<Vec<Slice>> = const { RefCell::new(Vec::new()) };
        static LATE: RefCell<Vec<Slice>> = const { RefCell::new(Vec::new()) };
    }
    thread::spawn(|| {
        // One is registered before the shelf, the other after: one is destroyed without it.
        EARLY.with_borrow_mut(Vec::clear);
        let slices = [filled(100), filled(100)];
        LATE.with_borrow_mut(|l| l.push(slices[0].clone()));
        EARLY.with_borrow_mut(|e| e.extend(slices));
    })
    .join()
    .unwrap();
    assert_eq!((mem::stats().out, mem::stats().cached), (0, 2 * 128));
}

#[test]
fn idle_caches_shrink_to_nothing() {
    let _turn = turn();
    drop((0..50).map(|_| filled(4000)).collect::<Vec<_>>());
    assert_eq!(mem::stats().cached, 50 * 4096);
    assert_eq!(mem::shrink(), 0, "a shelf is its thread's");
    mem::trim();
    assert_eq!(mem::shrink(), 0, "they were used until now");
    assert_eq!(mem::shrink(), 50 * 4096);
    assert_eq!((mem::stats().out, mem::stats().cached), (0, 0));
}

#[test]
fn shelves_are_bounded_while_blocks_flow_one_way() {
    let _turn = turn();
    let (send, receive) = mpsc::sync_channel::<Slice>(100);
    let consumer = thread::spawn(move || {
        receive.into_iter().for_each(|s| assert!(s.iter().all(|&b| b == 9)));
    });
    let before = mem::stats().misses;
    for _ in 0..100_000 {
        send.send(filled(4000)).unwrap();
    }
    drop(send);
    consumer.join().unwrap();
    let stats = mem::stats();
    assert_eq!(stats.out, 0);
    let misses = stats.misses - before;
    assert!(misses < 2000, "{misses} of 100,000 blocks were new");
    assert!(stats.cached <= (misses as usize) * 4096);
}

#[test]
fn blocks_flow_between_many_threads() {
    let _turn = turn();
    let threads: Vec<_> = (0..4)
        .map(|t| {
            thread::spawn(move || {
                let mut kept = Vec::new();
                for i in 0..20_000usize {
                    let n = 1 + (i * 7919 + t * 31) % 9000;
                    let mut block = mem::alloc(n).unwrap();
                    block.claim(n).fill(t as u8);
                    let whole = block.into_slice();
                    kept.push(whole.slice(n / 2..));
                    if kept.len() == 64 {
                        let handed = std::mem::take(&mut kept);
                        thread::spawn(move || {
                            assert!(handed.iter().all(|s| s.iter().all(|&b| b == t as u8)));
                        })
                        .join()
                        .unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(mem::stats().out, 0);
    empty();
    assert_eq!(mem::stats().cached, 0);
}
