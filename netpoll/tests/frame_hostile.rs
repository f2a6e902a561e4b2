//! What a header merely declares takes no memory: hostile frames under a counting allocator.
#![allow(unsafe_code)] // A global allocator is an unsafe trait.

mod frame_support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fmt::Debug,
};

use frame_support::{formats, nodes};
use netpoll::{
    Frame,
    frame::{self, Arena, AsciiCrlf, Auto, Scanner, Varint, Window},
};

struct Counting;

thread_local! {
    /// Of this test's thread.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: it is the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get() + layout.size());
        // SAFETY: the caller's promises are the system's demands.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Debug, Frame)]
#[frame(tag = u8, recursive(depth = 32))]
enum Resp<'a> {
    #[frame(tag = b'$')]
    Bulk(#[frame(prefix = AsciiCrlf, none = -1, tail = b"\r\n")] Option<&'a [u8]>),
    #[frame(tag = b'*')]
    Array(#[frame(count_prefix = AsciiCrlf, none = -1)] Option<Vec<Resp<'a>>>),
}

#[derive(Debug, Frame)]
struct Lists {
    #[frame(count_prefix = u32)]
    wide: Vec<u64>,
    #[frame(count_prefix = Varint)]
    nothings: Vec<Nothing>,
}

/// An element that may have no bytes at all.
#[derive(Debug, Frame)]
struct Nothing {
    #[frame(count_prefix = u8)]
    none: Vec<u8>,
}

#[derive(Debug, Frame)]
struct Long {
    #[frame(len(of = body))]
    n: Auto<u64>,
    #[frame(prefix = u32)]
    text: String,
    body: Vec<(u8, u64)>,
}

/// The bytes taken from the allocator to scan `wire` and to decode all of it.
fn taken<F: Frame>(wire: &[u8]) -> usize
where
    for<'a> F::At<'a>: Debug,
{
    let (input, arena) = (nodes([wire]), Arena::new());
    let before = TAKEN.get();
    let _ = F::Scan::default().scan(&Window::new(&input), 1 << 30);
    drop(frame::decode::<F>(&input, wire.len(), &arena));
    TAKEN.get() - before
}

#[test]
fn declared_sizes_take_no_memory() {
    let tail = [0; 64];
    let after = |head: &[u8]| [head, &tail[..]].concat();
    let most = 8 << 10;
    for n in ["1000000000", "9223372036854775807", "99", "-7", "18446744073709551616"] {
        for kind in ["*", "$"] {
            let wire = after(format!("{kind}{n}\r\n").as_bytes());
            let taken = taken::<Resp<'_>>(&wire);
            assert!(taken <= most, "{kind}{n}: {taken} bytes");
        }
    }
    let nested = b"*99\r\n".repeat(1000);
    assert!(taken::<Resp<'_>>(&nested) <= 64 * nested.len(), "{}", taken::<Resp<'_>>(&nested));
    for head in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x7f"] {
        let taken = taken::<Lists>(&after(head));
        assert!(taken <= most, "{head:?}: {taken} bytes");
    }
    for head in
        [&b"\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"[..], b"\0\0\0\0\0\0\0\x09\xff\xff\xff\xff"]
    {
        let taken = taken::<Long>(&after(head));
        assert!(taken <= most, "{head:?}: {taken} bytes");
    }
}

/// Whatever is changed in a frame, it takes memory in proportion to the bytes that are there.
#[test]
fn corruption_takes_no_more_memory_than_its_bytes_justify() {
    fn corrupted<F: Frame>(wire: &[u8])
    where
        for<'a> F::At<'a>: Debug,
    {
        // An element of two bytes takes up to 64 in memory; errors and nodes take the rest.
        let most = 32 * wire.len() + (4 << 10);
        for at in 0..wire.len() {
            for change in [0x01, 0x04, 0x10, 0x40, 0x7f, 0x80, 0xff] {
                for ones in [0, 3] {
                    let mut broken = wire.to_vec();
                    broken[at] ^= change;
                    broken[at + 1..].iter_mut().take(ones).for_each(|byte| *byte = 0xff);
                    let taken = taken::<F>(&broken);
                    assert!(taken <= most, "{taken} bytes for {}", broken.escape_ascii());
                }
            }
        }
    }
    corrupted::<Resp<'_>>(b"*3\r\n$3\r\nSET\r\n*2\r\n$1\r\nk\r\n$-1\r\n$5\r\nvalue\r\n");
    corrupted::<Lists>(b"\0\0\0\x01\0\0\0\0\0\0\0\x07\x02\x01a\0");
    corrupted::<Long>(b"\0\0\0\0\0\0\0\x09\0\0\0\x02hi\x01\0\0\0\0\0\0\0\x02");
    corrupted::<formats::Kafka<'_>>(
        b"\0\0\0\x17\0\x12\0\x03\0\0\0\x07\0\x02cl\x02\x01\x02hi\xac\x02\x00\x02\x01z",
    );
    corrupted::<formats::McText<'_>>(b"set key 0 60 5\r\nhello\r\n");
    corrupted::<formats::TtHeader<'_>>(
        b"\0\0\0\x1a\x10\0\0\x02\0\0\0\x63\0\x03\0\x01\x07\x01\0\x01\0\x01a\0\x02bcbody",
    );
    corrupted::<formats::Ws<'_>>(b"\x81\xfe\0\x04\x01\x02\x03\x04abcd");
}
