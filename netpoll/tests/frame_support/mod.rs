//! What every format must stand: splits, single bytes, truncations, corruption.
#![allow(dead_code)] // Each test file uses its part.

pub(crate) mod formats;

use std::{collections::BTreeSet, fmt::Debug};

use netpoll::{
    buf::LinkBuffer,
    frame::{self, Arena, DecodeError, Encode, Frame, Progress, Scanner, Window},
    mem,
};

/// The limit that the checks scan with.
pub(crate) const MAX: usize = 1 << 20;

/// A buffer in which each of `pieces` is a node of its own.
pub(crate) fn nodes<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> LinkBuffer {
    let mut buffer = LinkBuffer::new();
    pieces.into_iter().for_each(|piece| add(&mut buffer, piece));
    buffer
}

/// Adds a node with `piece`.
pub(crate) fn add(buffer: &mut LinkBuffer, piece: &[u8]) {
    if !piece.is_empty() {
        let mut block = mem::alloc(piece.len()).unwrap();
        block.claim(piece.len()).copy_from_slice(piece);
        buffer.push(block.into_slice());
    }
}

/// The decoded frame's `Debug` text.
pub(crate) fn decoded<F: Frame>(input: &LinkBuffer, n: usize) -> Result<String, DecodeError>
where
    for<'a> F::At<'a>: Debug,
{
    let arena = Arena::new();
    frame::decode::<F>(input, n, &arena).map(|value| format!("{value:?}"))
}

/// Checks all that holds for a format that is decoded and encoded: `wire` is `value`.
pub(crate) fn check<F: Frame>(wire: &[u8], value: impl Debug)
where
    for<'a> F::At<'a>: Debug + Encode,
{
    check_scan::<F>(wire);
    check_decode::<F>(wire, &value);
    let (input, arena) = (nodes([wire]), Arena::new());
    let frame = frame::decode::<F>(&input, wire.len(), &arena).unwrap();
    assert!(arena.is_empty(), "a frame in one node is not copied");
    encodes_to(&frame, wire);
}

/// `value` is encoded as `wire`.
pub(crate) fn encodes_to(value: &impl Encode, wire: &[u8]) {
    let mut out = LinkBuffer::new();
    assert_eq!(frame::encode(value, &mut out).unwrap(), wire.len());
    assert_eq!(out.to_vec().escape_ascii().to_string(), wire.escape_ascii().to_string());
    assert_eq!(value.encoded_len(), wire.len(), "encoded_len");
}

/// Wherever `wire` is cut, its end is found, and never a byte past it is asked for.
pub(crate) fn check_scan<F: Frame>(wire: &[u8]) {
    check_cuts::<F>(wire);
    (1..=7).for_each(|reads| check_turns::<F>(wire, reads));
    (1..=8).for_each(|eighths| check_peeks::<F>(wire, eighths));
}

/// Bytes come one by one, each a node, and somebody looks at so many eighths of them, which puts these
/// together.
fn check_peeks<F: Frame>(wire: &[u8], eighths: usize) {
    let mut scanner = F::Scan::default();
    let mut input = LinkBuffer::new();
    for (at, byte) in wire.iter().enumerate() {
        match scanner.scan(&Window::new(&input), MAX).unwrap() {
            Progress::Need(more) => assert!(at < more && more <= wire.len(), "{more} at {at}"),
            Progress::Ready(size) => panic!("ready with {size} at {at}, {eighths}/8 peeked"),
        }
        add(&mut input, &[*byte]);
        if at % 3 == 2 {
            input.peek((at + 1) * eighths / 8).unwrap();
        }
    }
    let found = scanner.scan(&Window::new(&input), MAX).unwrap();
    assert_eq!(found, Progress::Ready(wire.len()), "{eighths}/8 peeked");
}

/// `wire` comes as the runtime gets it: bytes of one read block, and after as many reads as a turn
/// has, what is there is moved to a block of its size.
fn check_turns<F: Frame>(wire: &[u8], reads: usize) {
    let mut block = mem::alloc(64 << 10).unwrap();
    let mut scanner = F::Scan::default();
    let mut input = LinkBuffer::new();
    for (at, byte) in wire.iter().enumerate() {
        match scanner.scan(&Window::new(&input), MAX).unwrap() {
            Progress::Need(more) => assert!(at < more && more <= wire.len(), "{more} at {at}"),
            Progress::Ready(size) => panic!("ready with {size} at {at}, {reads} reads a turn"),
        }
        block.claim(1)[0] = *byte;
        input.push(block.take_filled());
        // The other slices keep this one from growing the last.
        if at % reads == reads - 1 {
            input.compact_small();
        }
    }
    let found = scanner.scan(&Window::new(&input), MAX).unwrap();
    assert_eq!(found, Progress::Ready(wire.len()), "{reads} reads a turn");
}

fn check_cuts<F: Frame>(wire: &[u8]) {
    let n = wire.len();
    for follow in [&b""[..], &wire[..1], wire] {
        let whole = nodes([wire, follow]);
        let found = F::Scan::default().scan(&Window::new(&whole), MAX).unwrap();
        assert_eq!(found, Progress::Ready(n), "with {} bytes behind", follow.len());
    }
    for cut in 0..n {
        let mut scanner = F::Scan::default();
        let mut input = nodes([&wire[..cut]]);
        match scanner.scan(&Window::new(&input), MAX).unwrap() {
            Progress::Need(more) => assert!(cut < more && more <= n, "{more} at {cut} of {n}"),
            Progress::Ready(size) => panic!("ready with {size} of {n} bytes"),
        }
        add(&mut input, &wire[cut..]);
        let found = scanner.scan(&Window::new(&input), MAX).unwrap();
        assert_eq!(found, Progress::Ready(n), "cut at {cut}");
    }
    let mut scanner = F::Scan::default();
    let mut input = LinkBuffer::new();
    for (at, byte) in wire.iter().enumerate() {
        match scanner.scan(&Window::new(&input), MAX).unwrap() {
            Progress::Need(more) => assert!(at < more && more <= n, "{more} at {at} of {n}"),
            Progress::Ready(size) => panic!("ready with {size} of {n} bytes"),
        }
        add(&mut input, &[*byte]);
    }
    assert_eq!(scanner.scan(&Window::new(&input), MAX).unwrap(), Progress::Ready(n));
}

/// Wherever `wire` is cut, it is decoded to `value`; every truncation is an error or a value, and
/// so is every change of a byte.
pub(crate) fn check_decode<F: Frame>(wire: &[u8], value: &impl Debug)
where
    for<'a> F::At<'a>: Debug,
{
    let expected = format!("{value:?}");
    for cut in 0..=wire.len() {
        let input = nodes([&wire[..cut], &wire[cut..]]);
        assert_eq!(decoded::<F>(&input, wire.len()).unwrap(), expected, "cut at {cut}");
    }
    let single = nodes(wire.chunks(1));
    assert_eq!(decoded::<F>(&single, wire.len()).unwrap(), expected);
    for n in 0..wire.len() {
        if let Err(e) = decoded::<F>(&single, n) {
            assert!(e.at() <= n, "{e} in {n} bytes");
        }
    }
    for at in 0..wire.len() {
        for change in [1, 0x80, 0xff] {
            let mut broken = wire.to_vec();
            broken[at] ^= change;
            harmless::<F>(&broken);
        }
    }
}

/// Neither scan nor decoder panics, whatever the bytes are.
pub(crate) fn harmless<F: Frame>(bytes: &[u8])
where
    for<'a> F::At<'a>: Debug,
{
    for input in [nodes([bytes]), nodes(bytes.chunks(3))] {
        let _ = decoded::<F>(&input, bytes.len());
        let mut scanner = F::Scan::default();
        if let Ok(Progress::Ready(n)) = scanner.scan(&Window::new(&input), MAX) {
            assert!(n <= bytes.len());
            let _ = decoded::<F>(&input, n);
        }
    }
}

/// Encodes `value`, scans it in pieces as they arrive, decodes it and encodes it again: all is the same.
pub(crate) fn arrives<F: Frame>(value: &(impl Encode + Debug), cuts: &[usize], every: bool)
where
    for<'a> F::At<'a>: Debug + Encode,
{
    let mut out = LinkBuffer::new();
    let n = frame::encode(value, &mut out).unwrap();
    let wire = out.to_vec();
    assert_eq!((n, value.encoded_len()), (wire.len(), wire.len()));
    let cuts: BTreeSet<usize> = cuts.iter().map(|c| c % (n + 1)).chain([n]).collect();
    let (mut input, mut scanner, mut from, mut needed) =
        (LinkBuffer::new(), F::Scan::default(), 0, 1);
    for cut in cuts {
        add(&mut input, &wire[from..cut]);
        from = cut;
        // As a connection does, or at every arrival.
        if cut < needed && !every {
            continue;
        }
        match scanner.scan(&Window::new(&input), 1 << 20).unwrap() {
            Progress::Ready(size) => assert_eq!((size, cut), (n, n)),
            Progress::Need(more) => {
                assert!(cut < more && more <= n, "{more} at {cut} of {n}");
                needed = more;
            }
        }
    }
    let text = decoded::<F>(&input, n).unwrap();
    assert_eq!(without_auto(&text), without_auto(&format!("{value:?}")));
    let arena = frame::Arena::new();
    let again = frame::decode::<F>(&input, n, &arena).unwrap();
    encodes_to(&again, &wire);
}

/// `text` of a value's `Debug` without the numbers that encoding computes, by the names of their
/// fields in these tests.
fn without_auto(text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["n", "kl", "el", "total", "hs", "m", "sum"] {
        let field = format!(" {name}: ");
        let mut parts = text.split(&field);
        let first = parts.next().unwrap_or_default().to_owned();
        text = parts.fold(first, |all, part| {
            all + &field + part.trim_start_matches(|c: char| c.is_ascii_digit())
        });
    }
    text
}
