//! Blocks are used again: safe code never sees what was in them, and few bytes never keep many alive.
#![cfg(not(loom))]

mod common;

use std::{
    io::{self, Read, Write},
    ops::Bound,
    time::Duration,
};

use common::{connect, wait_until};
use netpoll::{
    EventLoop, Frame, Runtime,
    buf::{IoReader, LinkBuffer},
    frame::{self, Auto},
    mem::{self, Slice},
    on_request, service,
};

/// Fills blocks of all sizes with a secret, and gives them back.
fn secrets() {
    for size in [60, 1000, 4000, 16_000, 60_000] {
        let all: Vec<_> = (0..8)
            .map(|_| {
                let mut buffer = LinkBuffer::new();
                buffer.write(&b"SECRET".repeat(size / 6)).unwrap();
                buffer
            })
            .collect();
        drop(all);
    }
}

fn leaks(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|w| b"SECRETSECRET".windows(3).any(|s| s == w))
}

#[test]
fn a_writer_of_a_block_never_shows_what_was_there() {
    for capacity in [40, 900, 4000, 60_000] {
        secrets();
        let mut block = mem::alloc(capacity).unwrap();
        assert!(!leaks(block.spare_mut()));
        secrets();
        let mut block = mem::alloc(capacity).unwrap();
        assert!(!leaks(block.claim(20)));
        block.commit(10);
        assert!(!leaks(block.filled()));
        // What was lent and written stays; what follows is zero.
        block.spare_mut()[..2].copy_from_slice(b"ab");
        block.commit(4);
        assert_eq!(block.filled()[30..], *b"ab\0\0");
        block.truncate(31);
        assert_eq!(block.claim(2), b"b\0");
        block.truncate(0);
        assert!(!leaks(block.spare_mut()));
        // Of its own user, who wrote it, nothing is left after a reset either.
        block.spare_mut()[..6].copy_from_slice(b"SECRET");
        assert!(block.try_reset());
        assert!(!leaks(block.spare_mut()));
    }
}

/// Says that it read as many bytes as the function says, and wrote none.
struct Says(Lie, bool);

/// The number of bytes that are said to be read into a room of that many.
type Lie = fn(usize) -> usize;

impl Read for Says {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.1 |= leaks(room);
        Ok((self.0)(room.len()))
    }
}

#[test]
fn a_reader_that_lies_sees_and_shows_no_other_bytes() {
    let lies: [(Lie, bool); 4] =
        [(|n| n, true), (|n| n + 1, false), (|_| usize::MAX, false), (|n| n * 2, false)];
    for (lie, read) in lies {
        secrets();
        let mut reader = IoReader::new(Says(lie, false));
        for _ in 0..20 {
            match reader.next(500) {
                Ok(bytes) => assert!(read && !leaks(bytes)),
                Err(e) => assert!(!read && e.to_string().contains("bytes into"), "{e}"),
            }
        }
        assert!(!reader.get_ref().1, "the reader was shown other bytes");
    }
}

#[test]
#[should_panic = "of 9 bytes"]
fn a_range_up_to_the_largest_number_is_out_of_bounds() {
    let slice = Slice::from_bytes(bytes::Bytes::from_static(b"key=value")).unwrap();
    let _ = slice.slice(..=usize::MAX);
}

#[test]
#[should_panic = "of 9 bytes"]
fn a_range_after_the_largest_number_is_out_of_bounds() {
    let slice = Slice::from_bytes(bytes::Bytes::from_static(b"key=value")).unwrap();
    let _ = slice.slice((Bound::Excluded(usize::MAX), Bound::Unbounded));
}

/// Bytes whose owner panics when they go.
struct Bomb([u8; 5000]);

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a test's panic");
    }
}

/// Replies with bytes that are lent, and go wherever the connection has sent them.
#[on_request]
fn lend(out: netpoll::Out<'_>, request: Request<'_>) -> netpoll::Result<netpoll::Flow> {
    out.buf.write_bytes(bytes::Bytes::from_owner(Bomb([request.kind; 5000])))?;
    Ok(netpoll::Flow::Continue)
}

#[test]
fn a_panic_in_the_destructor_of_lent_bytes_harms_nobody() {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let events = EventLoop::builder(service::Free::<lend>::new()).runtime(&runtime);
    let server = events.listen("127.0.0.1:0").bind().unwrap();
    let mut client = connect(&server.handle());
    for n in 1..20u8 {
        client.write_all(&request(1, n, 0)).unwrap();
        let mut reply = [0; 5000];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(reply, [n; 5000]);
    }
    wait_until(|| runtime.stats().panics >= 19);
    let lent = Slice::from_bytes(bytes::Bytes::from_owner(Bomb([0; 5000]))).unwrap();
    drop((lent.slice(1..), lent));
    let stats = runtime.stats();
    assert_eq!(stats.connections, 1);
}

/// A block of 64 KiB that was read into, with a few bytes of interest at its end.
fn received(n: usize) -> LinkBuffer {
    let mut block = mem::alloc(65_000).unwrap();
    block.claim(65_000 - n);
    drop(block.take_filled());
    block.claim(n).fill(b'x');
    let mut input = LinkBuffer::new();
    input.push(block.take_filled());
    input
}

#[derive(Frame)]
struct Shared {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: netpoll::buf::LinkSlice,
}

#[test]
fn output_of_received_slices_holds_about_the_memory_of_its_bytes() {
    for n in [13, 600, 4000, 15_000, 30_000] {
        let mut raw = LinkBuffer::new();
        let mut framed = LinkBuffer::new();
        for _ in 0..100 {
            raw.write_slice(received(n).slice(n).unwrap());
            raw.append_slice(received(n).slice(n).unwrap());
            let body = received(n).slice(n).unwrap();
            frame::encode(&Shared { n: Auto::default(), body }, &mut framed).unwrap();
        }
        raw.flush();
        assert_eq!((raw.len(), framed.len()), (200 * n, 100 * (n + 4)));
        for (what, buffer) in [("raw", &raw), ("framed", &framed)] {
            let (holds, most) = (buffer.retained(), 5 * buffer.len() + 131_072);
            assert!(holds <= most, "{what}, {n} bytes each: {holds} for {}", buffer.len());
        }
        assert!(raw.to_vec().iter().all(|&byte| byte == b'x'));
    }
}

#[derive(Frame)]
struct Request<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(seq)]
    id: u32,
    kind: u8,
    #[frame(rest)]
    body: &'a [u8],
}

#[derive(Frame)]
struct Reply {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(seq)]
    id: u32,
}

#[on_request(concurrent = 512)]
async fn handle(request: Request<'_>) -> Reply {
    if request.kind == b'p' {
        netpoll::sleep(Duration::from_secs(30)).await; // a long poll
    }
    assert!(request.body.iter().all(|&byte| byte == b'x'));
    Reply { length: Auto::default(), id: request.id }
}

fn request(id: u32, kind: u8, n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((5 + n as u32).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.push(kind);
    bytes.extend(vec![b'x'; n]);
    bytes
}

/// Small requests that arrive behind large ones, and stay under way.
#[test]
fn requests_in_flight_hold_about_the_memory_of_their_bytes() {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let events = EventLoop::builder(service::Free::<handle>::new()).runtime(&runtime);
    let server = events.listen("127.0.0.1:0").bind().unwrap();
    let mut client = connect(&server.handle());
    let polls = 300;
    for id in 0..polls {
        let both = [request(2 * id, b'q', 50_000), request(2 * id + 1, b'p', 4)].concat();
        client.write_all(&both).unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
    }
    // Its bytes; and the block of 4 KiB in which its answer goes on behind the one before, if both were
    // handled in one batch.
    wait_until(|| runtime.stats().memory.out < polls as usize * 8192);
}
