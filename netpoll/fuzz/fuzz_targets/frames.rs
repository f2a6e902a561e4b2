//! Every format of the tests, by bytes and by splits.
//!
//! The bytes come in one piece and in pieces, through a buffer that is compacted between them as the
//! runtime does. Both ways end the same; what was decoded is encoded, and decoded to the same again.
#![no_main]

#[path = "../../tests/frame_support/formats.rs"]
mod formats;

use std::fmt::Debug;

use formats::{
    Bench, DnsTcp, GrpcMsg, H2, HttpHead, Info, Kafka, McBin, McText, MySql, Pg, Resp, TagList,
    ThriftFramed, TtHeader, Ws,
};
use libfuzzer_sys::fuzz_target;
use netpoll::{
    buf::LinkBuffer,
    frame::{self, Arena, Encode, Frame, Progress, Scanner, Window},
    mem,
};
use netpoll_examples::resp;

/// The limit that frames are scanned with.
const MAX: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let [format, reads, cuts @ ..] = bytes else { return };
    let Some((cuts, wire)) = cuts.split_at_checked(4) else { return };
    let way = Way { reads: 1 + usize::from(reads % 8), cuts, wire };
    match format % 17 {
        0 => way.both::<Bench<'_>>(),
        1 => way.both::<MySql<'_>>(),
        2 => way.both::<Pg<'_>>(),
        3 => way.both::<DnsTcp<'_>>(),
        4 => way.both::<H2<'_>>(),
        5 => way.both::<GrpcMsg<'_>>(),
        6 => way.both::<McBin<'_>>(),
        7 => way.both::<McText<'_>>(),
        8 => way.both::<Kafka<'_>>(),
        9 => way.both::<TagList<'_>>(),
        10 => way.both::<Ws<'_>>(),
        11 => way.both::<ThriftFramed<'_>>(),
        12 => way.both::<TtHeader<'_>>(),
        13 => way.both::<Info<'_>>(),
        14 => way.both::<Resp<'_>>(),
        15 => drop(way.read::<HttpHead<'_>>()),
        _ => drop(way.read::<resp::Request<'_>>()),
    }
});

/// How the bytes come.
struct Way<'b> {
    /// After so many pieces what is there is compacted.
    reads: usize,
    /// The sizes of the first pieces; what is left is one.
    cuts: &'b [u8],
    wire: &'b [u8],
}

impl Way<'_> {
    /// A format that is read and written.
    fn both<F: Frame>(&self)
    where
        for<'a> F::At<'a>: Debug + Encode,
    {
        if let Some(n) = self.read::<F>() {
            let (whole, arena) = (nodes(&[self.wire]), Arena::new());
            if let Ok(value) = frame::decode::<F>(&whole, n, &arena) {
                written_reads_the_same::<F>(&value);
            }
        }
    }

    /// Both ways: the size of the frame, if there is one.
    fn read<F: Frame>(&self) -> Option<usize>
    where
        for<'a> F::At<'a>: Debug,
    {
        let whole = nodes(&[self.wire]);
        let mut scanner = F::Scan::default();
        let at_once = scanner.scan(&Window::new(&whole), MAX);
        let (input, in_pieces) = self.in_pieces::<F>();
        match (at_once, in_pieces) {
            (Ok(Progress::Ready(n)), Ok(Progress::Ready(m))) => {
                assert_eq!(n, m, "sizes differ");
                assert!(n <= self.wire.len() && n >= F::MIN, "a size of {n}");
                assert_eq!(text::<F>(&whole, n), text::<F>(&input, n));
                Some(n)
            }
            (Ok(Progress::Need(n)), Ok(Progress::Need(m))) => {
                let there = self.wire.len();
                assert!(n > there && m > there, "{n} and {m} are needed, {there} are there");
                None
            }
            (Err(_), Err(_)) => None,
            // Nobody looks before there are as many bytes as were asked for.
            (Err(_), Ok(Progress::Need(m))) if m > self.wire.len() => None,
            (at_once, in_pieces) => panic!("{at_once:?} at once, {in_pieces:?} in pieces"),
        }
    }

    /// What a scanner says in the end, and the input by then: a frame's end is looked for no further.
    fn in_pieces<F: Frame>(&self) -> (LinkBuffer, Result<Progress, frame::ScanError>) {
        let mut scanner = F::Scan::default();
        let (mut input, mut block) = (LinkBuffer::new(), mem::alloc(MAX).unwrap());
        let (mut rest, mut found) = (self.wire, Ok(Progress::Need(F::MIN)));
        let mut needed = 0;
        let sizes = self.cuts.iter().map(|&n| usize::from(n)).chain([usize::MAX]);
        for (read, size) in sizes.enumerate() {
            let (piece, left) = rest.split_at(size.min(rest.len()));
            rest = left;
            if piece.is_empty() {
                continue;
            }
            block.claim(piece.len()).copy_from_slice(piece);
            input.push(block.take_filled());
            if input.len() >= needed && matches!(found, Ok(Progress::Need(_))) {
                found = scanner.scan(&Window::new(&input), MAX);
                if let Ok(Progress::Need(n)) = found {
                    assert!(n > input.len(), "{n} are needed, {} are there", input.len());
                    needed = n;
                }
            }
            if read % self.reads == self.reads - 1 {
                input.compact_small();
            }
        }
        if self.wire.is_empty() {
            found = scanner.scan(&Window::new(&input), MAX);
        }
        (input, found)
    }
}

/// A buffer in which each piece is a node of its own.
fn nodes(pieces: &[&[u8]]) -> LinkBuffer {
    let mut buffer = LinkBuffer::new();
    for piece in pieces {
        let mut block = mem::alloc(piece.len()).unwrap();
        block.claim(piece.len()).copy_from_slice(piece);
        buffer.push(block.into_slice());
    }
    buffer
}

/// What a frame says, or what is wrong with it.
fn text<F: Frame>(input: &LinkBuffer, n: usize) -> String
where
    for<'a> F::At<'a>: Debug,
{
    let arena = Arena::new();
    match frame::decode::<F>(input, n, &arena) {
        Ok(value) => format!("{value:?}"),
        Err(error) => {
            assert!(error.at() <= n, "{error}: behind the frame of {n} bytes");
            error.to_string()
        }
    }
}

/// What is encoded is as long as was said, has its end where it is, and says the same.
fn written_reads_the_same<F: Frame>(value: &(impl Debug + Encode))
where
    for<'a> F::At<'a>: Debug + Encode,
{
    let mut out = LinkBuffer::new();
    // A value may be one that cannot be written: fields that contradict each other.
    let Ok(n) = frame::encode(value, &mut out) else { return };
    assert_eq!((n, n), (value.encoded_len(), out.len()));
    let found = F::Scan::default().scan(&Window::new(&out), usize::MAX);
    assert!(matches!(found, Ok(Progress::Ready(m)) if m == n), "{n} bytes, {found:?}");
    let arena = Arena::new();
    let read = frame::decode::<F>(&out, n, &arena).unwrap_or_else(|e| panic!("{e} of {value:?}"));
    // Not as it was read: numbers have several spellings, of which one is written.
    let mut again = LinkBuffer::new();
    frame::encode(&read, &mut again).unwrap_or_else(|e| panic!("{e} of {read:?}"));
    assert_eq!(again.to_vec(), out.to_vec(), "{read:?}");
}
