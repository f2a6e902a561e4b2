//! A client that breaks its shared memory at random while others' traffic runs: no crash, no foreign byte.
//!
//! The client speaks version 2 of the protocol over plain files, which it writes to as it likes.
//! `NETPOLL_FULL=1` makes 100,000 changes in place of some thousands; `NETPOLL_SEED` sets the seed.
#![cfg(target_os = "linux")]

mod common;

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::{fs::FileExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use common::{Echo, descriptors, frame, random, runtime, serve_on, wait_until};
use netpoll::Dialer;

const PLACES: u32 = 64;
const SLICE: u32 = 1000;
const SLICES: u32 = 32;
const QUEUE: u64 = 2 * (24 + 12 * PLACES as u64);
const BUFFER: u64 = 8 + 36 + (SLICES * (SLICE + 20)) as u64;

/// The memory of a client, laid out as the protocol has it.
struct Memory {
    queue: File,
    buffer: File,
    paths: [PathBuf; 2],
    tail: u64,
}

fn put(file: &File, at: u64, words: &[u32]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    file.write_all_at(&bytes, at).unwrap();
}

impl Memory {
    fn new(dir: &Path, n: usize) -> Self {
        let paths = [dir.join(format!("queue-{n}")), dir.join(format!("buffer-{n}"))];
        let [queue, buffer] = [&paths[0], &paths[1]].map(|path| {
            File::options().create(true).truncate(true).read(true).write(true).open(path).unwrap()
        });
        queue.set_len(QUEUE).unwrap();
        buffer.set_len(BUFFER).unwrap();
        for half in [0, QUEUE / 2] {
            put(&queue, half, &[PLACES]);
        }
        put(&buffer, 0, &[1, BUFFER as u32 - 8]);
        let stride = SLICE + 20;
        put(&buffer, 8, &[SLICES, SLICES, 0, (SLICES - 1) * stride, SLICE]);
        for i in 0..SLICES {
            let last = i + 1 == SLICES;
            let next = if last { 0 } else { (i + 1) * stride };
            put(&buffer, u64::from(44 + i * stride), &[SLICE, 0, 0, next, u32::from(!last)]);
        }
        Self { queue, buffer, paths, tail: 0 }
    }

    /// The frame that offers the memory: version 2, its files' paths.
    fn offer(&self) -> Vec<u8> {
        let paths = self.paths.each_ref().map(|path| path.to_str().unwrap());
        let length = 8 + 4 + paths[0].len() + paths[1].len();
        let mut offer = (length as u32).to_be_bytes().to_vec();
        offer.extend([0x77, 0x58, 2, 0]);
        for path in paths {
            offer.extend((path.len() as u16).to_be_bytes());
            offer.extend(path.as_bytes());
        }
        offer
    }

    /// Puts an element, and says so in the queue's header.
    fn element(&mut self, stream: u32, offset: u32, status: u32) {
        let at = 24 + 12 * (self.tail % u64::from(PLACES));
        put(&self.queue, at, &[stream, offset, status]);
        self.tail += 1;
        put(&self.queue, 12, &[self.tail as u32]);
    }

    /// Changes a word somewhere.
    fn break_something(&mut self, seed: &mut u64) {
        let value = match random(seed, 4) {
            0 => random(seed, 1 << 32) as u32,
            1 => random(seed, BUFFER) as u32,
            2 => random(seed, 4) as u32,
            _ => 44 + random(seed, SLICES.into()) as u32 * (SLICE + 20),
        };
        match random(seed, 3) {
            0 => put(&self.queue, random(seed, QUEUE / 4) * 4, &[value]),
            1 => put(&self.buffer, random(seed, 16) * 4, &[value]),
            _ => put(&self.buffer, random(seed, BUFFER / 4) * 4, &[value]),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = std::fs::remove_file(path);
        }
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
                    memory.break_something(&mut seed);
                    changed += 1;
                }
                let slice = 44 + random(&mut seed, SLICES.into()) as u32 * (SLICE + 20);
                let offset = if random(&mut seed, 8) == 0 {
                    random(&mut seed, 1 << 32) as u32
                } else {
                    slice
                };
                memory.element(2 + random(&mut seed, 4) as u32, offset, u32::from(n % 7 == 6));
                let wake = [0, 0, 0, 8, 0x77, 0x58, 2, 1];
                let ended =
                    wire.write_all(&wake).is_err() || matches!(wire.read(&mut [0; 512]), Ok(0));
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
