//! A client that writes to its shared memory, and sends over its socket, what the input says. The server goes on
//! answering another client, whose bytes come back unchanged, and keeps nothing of those that ended.
#![no_main]

mod echo_server;
#[path = "../../tests/shmipc/memory.rs"]
mod memory;

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use echo_server::echo;
use libfuzzer_sys::fuzz_target;
use memory::{Memory, WAKE, put, slice_at};
use netpoll::{Connection, Dialer, EventLoop, Runtime, service::Free};

/// Runs between two looks at what this process has mapped.
const LOOK: usize = 64;

/// Mappings of sessions that are about to end, at most.
const MAPPED_MOST: usize = 64;

struct World {
    directory: PathBuf,
    socket: PathBuf,
    good: Connection,
    _runtime: Runtime,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("netpoll-fuzz-shm-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let socket = directory.join("socket");
    let address = format!("shm:{}", socket.display());
    let runtime = Runtime::builder().pollers(1).max_workers(4).build().unwrap();
    let server = EventLoop::builder(Free::<echo>::new()).runtime(&runtime);
    let server = server.listen(address.as_str()).bind().unwrap();
    std::thread::spawn(|| server.serve());
    let good = Dialer::new().runtime(&runtime).dial(address.as_str()).unwrap();
    World { directory, socket, good, _runtime: runtime }
});

fuzz_target!(|bytes: &[u8]| {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Relaxed);
    let world = &*WORLD;
    let mut memory = Memory::new(&world.directory, run % 4);
    let mut wire = UnixStream::connect(&world.socket).unwrap();
    wire.set_nonblocking(true).unwrap();
    let (first, steps) = bytes.split_first().unwrap_or((&0, &[]));
    // As a rule the offer is sound; else what is sent is the input itself.
    let sent = if first % 8 == 0 { wire.write_all(steps) } else { wire.write_all(&memory.offer()) };
    let mut ended = sent.is_err();
    for step in steps.chunks_exact(8) {
        if ended {
            break;
        }
        let &[kind, a, b, c, v0, v1, v2, v3] = step else { unreachable!("chunks of eight") };
        let value = u32::from_ne_bytes([v0, v1, v2, v3]);
        let at = u64::from(u16::from_ne_bytes([a, b])) * 4;
        match kind % 8 {
            0 => put(&memory.queue, at % memory::QUEUE & !3, &[value]),
            1 => put(&memory.buffer, at % memory::BUFFER & !3, &[value]),
            // The header of a slice.
            2 => put(
                &memory.buffer,
                u64::from(slice_at(u32::from(a) % 32)) + u64::from(c % 5) * 4,
                &[value],
            ),
            3 => memory.element(u32::from(a), value, u32::from(b)),
            4 | 5 => {
                memory.element(2 + u32::from(a % 4), slice_at(u32::from(b) % 32), u32::from(c == 0))
            }
            6 => ended = wire.write_all(step).is_err(),
            _ => {}
        }
        ended |= wire.write_all(&WAKE).is_err();
        ended |= matches!(wire.read(&mut [0; 512]), Ok(0));
    }
    drop(wire);
    let body = &bytes[..bytes.len().min(2_000)];
    let frame = [&(body.len() as u32).to_be_bytes()[..], body].concat();
    world.good.write(&frame).unwrap();
    assert!(world.good.reader().unwrap().next(frame.len()).unwrap() == frame, "other bytes");
    if run % LOOK == 0 {
        let mapped = || {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            maps.lines().filter(|line| line.contains("buffer-")).count()
        };
        // The ends of sessions are on their way.
        let mut looks = 0;
        while mapped() > MAPPED_MOST {
            looks += 1;
            assert!(looks < 1_000, "{} mappings are kept", mapped());
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
});
