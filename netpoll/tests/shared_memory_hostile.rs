//! A client that breaks its shared memory at random while others' traffic runs: no crash, no foreign byte.
//!
//! The client speaks version 2 of the protocol over plain files, which it writes to as it likes.
//! `NETPOLL_FULL=1` makes 100,000 changes in place of some thousands; `NETPOLL_SEED` sets the seed.
#![cfg(target_os = "linux")]

mod common;
#[path = "shmipc/memory.rs"]
mod memory;

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use common::{Echo, descriptors, frame, random, runtime, serve_on, wait_until};
use memory::{BUFFER, Memory, QUEUE, SLICES, WAKE, put, slice_at};
use netpoll::Dialer;

/// Changes a word somewhere.
fn break_something(memory: &Memory, seed: &mut u64) {
    let value = match random(seed, 4) {
        0 => random(seed, 1 << 32) as u32,
        1 => random(seed, BUFFER) as u32,
        2 => random(seed, 4) as u32,
        _ => slice_at(random(seed, SLICES.into()) as u32),
    };
    match random(seed, 3) {
        0 => put(&memory.queue, random(seed, QUEUE / 4) * 4, &[value]),
        1 => put(&memory.buffer, random(seed, 16) * 4, &[value]),
        _ => put(&memory.buffer, random(seed, BUFFER / 4) * 4, &[value]),
    }
}

#[test]
fn a_client_that_breaks_its_memory_harms_its_own_session_alone() {
    let mut seed = std::env::var("NETPOLL_SEED").map_or(0x5eed, |seed| seed.parse().unwrap());
    println!("NETPOLL_SEED={seed}");
    let changes = if std::env::var_os("NETPOLL_FULL").is_some() { 100_000 } else { 6_000 };
    let dir = std::env::temp_dir().join(format!("netpoll-shm-hostile-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let socket = dir.join("socket");
    let runtime = runtime(2);
    let address = format!("shm:{}", socket.display());
    let server = serve_on(&runtime, Echo::default(), |b| b.listen(address.as_str()));
    let good = Dialer::new().dial(address.as_str()).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let (mut n, mut reader) = (0usize, good.reader().unwrap());
            while !over.load(Relaxed) || n < 100 {
                let body = vec![n as u8; n * 37 % 20_000];
                good.write(&frame(&body)).unwrap();
                assert!(reader.next(4 + body.len()).unwrap() == frame(&body), "call {n}");
                n += 1;
            }
        });
        let (mut changed, mut sessions) = (0, 0);
        while changed < changes {
            let mut memory = Memory::new(&dir, sessions % 8);
            sessions += 1;
            let mut wire = UnixStream::connect(&socket).unwrap();
            wire.set_nonblocking(true).unwrap();
            wire.write_all(&memory.offer()).unwrap();
            for n in 0..200 {
                for _ in 0..random(&mut seed, 3) {
                    break_something(&memory, &mut seed);
                    changed += 1;
                }
                let slice = slice_at(random(&mut seed, SLICES.into()) as u32);
                let offset = if random(&mut seed, 8) == 0 {
                    random(&mut seed, 1 << 32) as u32
                } else {
                    slice
                };
                memory.element(2 + random(&mut seed, 4) as u32, offset, u32::from(n % 7 == 6));
                let ended =
                    wire.write_all(&WAKE).is_err() || matches!(wire.read(&mut [0; 512]), Ok(0));
                if ended {
                    break;
                }
                if n % 16 == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        }
        assert!(sessions > 10, "{sessions} sessions: the peer was not hostile");
        over.store(true, Relaxed);
        calls.join().unwrap();
    });
    // Nothing of the broken sessions stays.
    wait_until(|| server.live() == 1);
    drop(good);
    wait_until(|| server.live() == 0);
    let before = descriptors();
    wait_until(|| {
        std::fs::read_to_string("/proc/self/maps").unwrap().matches("buffer-").count() == 0
    });
    assert!(descriptors() <= before);
    std::fs::remove_dir_all(&dir).unwrap();
}
