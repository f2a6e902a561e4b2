//! Writing frames to a buffer's end: across its blocks, by reference, and taken back.

use bytes::Bytes;
use netpoll::{
    buf::{LinkBuffer, LinkSlice},
    frame::{self, EncodeError, Encoder, FrameErrorKind},
};

/// Bytes that the first block of a buffer holds.
const BLOCK: usize = 4080;

fn slice(n: usize) -> LinkSlice {
    let bytes: Vec<u8> = (0..n).map(|i| i as u8).collect();
    LinkBuffer::try_from(&bytes[..]).unwrap().slice(n).unwrap()
}

/// A frame with all that a writer can do; what it is goes to `expected`.
fn put(w: &mut Encoder<'_>, size: usize, expected: &mut Vec<u8>) -> Result<(), EncodeError> {
    let (shared, large) = (slice(size), Bytes::from(vec![b'L'; size * 8]));
    let start = expected.len();
    let length = w.reserve(4)?;
    w.array(*b"head")?;
    w.write(&vec![b'c'; size])?;
    w.share(&shared)?;
    let inner = w.reserve(2)?;
    w.share_bytes(large.clone())?;
    w.zeros(70)?;
    w.write(b"end")?;
    let n = w.pos() as u32;
    w.fill(length, &n.to_be_bytes());
    w.fill(inner, b"##");
    expected.extend(n.to_be_bytes());
    expected.extend(b"head");
    expected.resize(expected.len() + size, b'c');
    expected.extend(shared.chunks().flatten());
    expected.extend(b"##");
    expected.extend(&large);
    expected.resize(expected.len() + 70, 0);
    expected.extend(b"end");
    assert_eq!(expected.len() - start, n as usize);
    for (from, to) in [(0, n as usize), (3, 9), (n as usize - 80, n as usize - 1), (7, 7)] {
        let written: Vec<u8> = w.written(from, to).flatten().copied().collect();
        assert_eq!(written, expected[start + from..start + to], "{from}..{to} of {n}");
    }
    Ok(())
}

/// A buffer whose block has `spare` bytes left, and what it holds.
fn filled(spare: usize) -> (LinkBuffer, Vec<u8>) {
    let mut out = LinkBuffer::new();
    let before = vec![b'b'; BLOCK - spare];
    out.write(&before).unwrap();
    (out, before)
}

#[test]
fn a_frame_goes_on_wherever_a_block_ends() {
    // Sizes below and above those from which bytes are shared.
    for size in [0, 40, 600] {
        for spare in (0..300).chain([BLOCK - 1, BLOCK]) {
            for flushes in [false, true] {
                let (mut out, mut expected) = filled(spare);
                for _ in 0..3 {
                    let before = expected.len();
                    let n = frame::write(&mut out, |w| put(w, size, &mut expected)).unwrap();
                    assert_eq!(n, expected.len() - before);
                    if flushes {
                        out.flush();
                    }
                    out.write(b"|").unwrap();
                    expected.push(b'|');
                    assert_eq!(out.len() + out.malloc_len(), expected.len());
                }
                out.flush();
                assert_eq!((out.len(), out.malloc_len()), (expected.len(), 0));
                assert!(out == expected[..], "{size} bytes, {spare} spare");
            }
        }
    }
}

#[test]
fn what_fails_or_panics_leaves_the_buffer_as_it_was() {
    for size in [0, 40, 600] {
        for spare in [0, 1, 5, 50, 200, 3000] {
            let (mut out, before) = filled(spare);
            let failed = frame::write(&mut out, |w| {
                put(w, size, &mut Vec::new())?;
                Err(w.fail(FrameErrorKind::Presence))
            });
            assert_eq!(failed.unwrap_err().at(), 4 + 4 + size + size + 2 + 8 * size + 70 + 3);
            assert_eq!((out.len(), out.malloc_len()), (0, before.len()));
            let panicked = frame::write(&mut out, |w| {
                put(w, size, &mut Vec::new())?;
                panic!("a test's panic")
            });
            assert!(matches!(panicked.unwrap_err().kind(), FrameErrorKind::Panic(_)));
            assert_eq!((out.len(), out.malloc_len()), (0, before.len()));
            let mut expected = before;
            frame::write(&mut out, |w| put(w, size, &mut expected)).unwrap();
            out.flush();
            assert!(out == expected[..], "{size} bytes, {spare} spare");
        }
    }
}

/// Blocks grow with what is written, however it is cut into frames: few pieces to send.
#[test]
fn many_small_frames_are_few_nodes() {
    let mut out = LinkBuffer::new();
    for _ in 0..10_000 {
        frame::write(&mut out, |w| w.write(&[7; 100])).unwrap();
    }
    out.flush();
    assert_eq!(out.len(), 1_000_000);
    let nodes = out.chunks().count();
    assert!(nodes <= 24, "{nodes} nodes");
}

/// A short head moves to the block of a long body: both are one node.
#[test]
fn a_head_and_a_long_body_are_one_node() {
    let mut out = LinkBuffer::new();
    frame::write(&mut out, |w| {
        w.array(*b"head")?;
        w.write(&[7; 70_000])
    })
    .unwrap();
    out.flush();
    assert_eq!((out.len(), out.chunks().count()), (70_004, 1));
}

/// What is shared does not end the use of a block: small frames behind it go on there.
#[test]
fn small_frames_go_on_in_the_block_behind_what_is_shared() {
    let shared = slice(2000);
    let mut out = LinkBuffer::new();
    for _ in 0..10 {
        frame::write(&mut out, |w| {
            w.write(b"head")?;
            w.share(&shared)?;
            w.write(b"tail")
        })
        .unwrap();
    }
    out.flush();
    assert_eq!(out.len(), 10 * 2008);
    let own: Vec<_> = out.chunks().filter(|c| c.len() <= 8).map(<[u8]>::as_ptr).collect();
    assert_eq!(own.len(), 11);
    let (first, last) = (own[0] as usize, own[10] as usize);
    assert!(last - first < 4096, "their bytes lie in one block");
}
