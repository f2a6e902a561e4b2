//! Blocks of memory: `netpoll::mem`, the system allocator, and a plain pool behind a lock.
//!
//! `one` takes a block, writes its first and last byte and gives it back; `many` takes 64 before it
//! gives the first back, as when output waits.

use std::hint::black_box;
use std::sync::Mutex;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use netpoll::mem;

const SIZES: [usize; 3] = [1_000, 4_000, 64_000];
const MANY: usize = 64;

/// Buffers of one size that nobody uses.
struct Pool {
    size: usize,
    free: Mutex<Vec<Box<[u8]>>>,
}

impl Pool {
    fn take(&self) -> Box<[u8]> {
        let free = self.free.lock().expect("no panic under the lock").pop();
        free.unwrap_or_else(|| vec![0; self.size].into())
    }

    fn give(&self, buffer: Box<[u8]>) {
        self.free.lock().expect("no panic under the lock").push(buffer);
    }
}

fn touch(bytes: &mut [u8]) {
    let bytes = black_box(bytes);
    bytes[0] = 1;
    bytes[bytes.len() - 1] = 1;
}

fn blocks(c: &mut Criterion) {
    for (what, count) in [("one", 1), ("many", MANY)] {
        let mut group = c.benchmark_group(format!("mem/{what}"));
        group.throughput(Throughput::Elements(count as u64));
        for size in SIZES {
            group.bench_function(BenchmarkId::new("netpoll", size), |b| {
                let mut taken = Vec::with_capacity(count);
                b.iter(|| {
                    for _ in 0..count {
                        let mut block = mem::alloc(size).expect("memory");
                        touch(block.spare_mut());
                        taken.push(block);
                    }
                    taken.clear();
                });
            });
            group.bench_function(BenchmarkId::new("system", size), |b| {
                let mut taken = Vec::with_capacity(count);
                b.iter(|| {
                    for _ in 0..count {
                        let mut block = vec![0_u8; size];
                        touch(&mut block);
                        taken.push(block);
                    }
                    taken.clear();
                });
            });
            group.bench_function(BenchmarkId::new("pool", size), |b| {
                let pool = Pool { size, free: Mutex::default() };
                let mut taken = Vec::with_capacity(count);
                b.iter(|| {
                    for _ in 0..count {
                        let mut block = pool.take();
                        touch(&mut block);
                        taken.push(block);
                    }
                    taken.drain(..).for_each(|block| pool.give(block));
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, blocks);
criterion_main!(benches);
