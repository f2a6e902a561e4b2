//! `netpoll::buf::LinkBuffer` beside `bytes::BytesMut`, at what a server does with its buffers.
//!
//! - `frames`: 16 frames of a length and a body are written, then each is found, taken and dropped.
//! - `keep`: as `frames`, and each is kept until all were taken.
//! - `body`: a body that somebody else holds goes between two short pieces of 16 bytes; all of it is
//!   then read as the parts of one write.

use std::hint::black_box;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use netpoll::buf::LinkBuffer;

const FRAMES: usize = 16;
const BODIES: [usize; 3] = [128, 1_024, 16_384];
const LENGTH_BYTES: usize = 4;

fn write_link(buffer: &mut LinkBuffer, body: &[u8]) {
    for _ in 0..FRAMES {
        buffer.write(&(body.len() as u32).to_be_bytes()).expect("memory");
        buffer.write(body).expect("memory");
        buffer.flush();
    }
}

fn take_link(buffer: &mut LinkBuffer) -> netpoll::buf::LinkSlice {
    let field = buffer.next(LENGTH_BYTES).expect("a length");
    let n = u32::from_be_bytes(field.try_into().expect("four bytes")) as usize;
    buffer.slice(n).expect("a body")
}

fn write_bytes_mut(buffer: &mut BytesMut, body: &[u8]) {
    for _ in 0..FRAMES {
        buffer.put_u32(body.len() as u32);
        buffer.put_slice(body);
    }
}

fn take_bytes_mut(buffer: &mut BytesMut) -> Bytes {
    let n = buffer.get_u32() as usize;
    buffer.split_to(n).freeze()
}

fn frames(c: &mut Criterion) {
    for keeps in [false, true] {
        let mut group = c.benchmark_group(if keeps { "buf/keep" } else { "buf/frames" });
        group.throughput(Throughput::Elements(FRAMES as u64));
        for size in BODIES {
            let body = vec![7; size];
            group.bench_function(BenchmarkId::new("LinkBuffer", size), |b| {
                let mut buffer = LinkBuffer::new();
                let mut kept = Vec::with_capacity(FRAMES);
                b.iter(|| {
                    write_link(&mut buffer, black_box(&body));
                    for _ in 0..FRAMES {
                        let frame = black_box(take_link(&mut buffer));
                        if keeps {
                            kept.push(frame);
                        }
                    }
                    kept.clear();
                });
            });
            group.bench_function(BenchmarkId::new("BytesMut", size), |b| {
                let mut buffer = BytesMut::new();
                let mut kept = Vec::with_capacity(FRAMES);
                b.iter(|| {
                    write_bytes_mut(&mut buffer, black_box(&body));
                    for _ in 0..FRAMES {
                        let frame = black_box(take_bytes_mut(&mut buffer));
                        if keeps {
                            kept.push(frame);
                        }
                    }
                    kept.clear();
                });
            });
        }
        group.finish();
    }
}

fn body(c: &mut Criterion) {
    const AROUND: [u8; 16] = [b'.'; 16];
    let mut group = c.benchmark_group("buf/body");
    for size in BODIES {
        let body = Bytes::from(vec![7; size]);
        group.bench_function(BenchmarkId::new("LinkBuffer", size), |b| {
            b.iter(|| {
                let mut buffer = LinkBuffer::new();
                buffer.write(&AROUND).expect("memory");
                buffer.write_bytes(black_box(body.clone())).expect("memory");
                buffer.write(&AROUND).expect("memory");
                buffer.flush();
                let mut parts = [IoSlice::new(&[]); 8];
                let n = buffer.chunks_vectored(&mut parts);
                black_box(&parts[..n]);
            });
        });
        group.bench_function(BenchmarkId::new("BytesMut", size), |b| {
            b.iter(|| {
                let mut buffer = BytesMut::new();
                buffer.put_slice(&AROUND);
                buffer.put_slice(black_box(&body));
                buffer.put_slice(&AROUND);
                let mut parts = [IoSlice::new(&[]); 8];
                let n = buffer.chunks_vectored(&mut parts);
                black_box(&parts[..n]);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames, body);
criterion_main!(benches);
