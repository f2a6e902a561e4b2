//! Formats whose functions panic, lie or answer what cannot be, over real connections and without.
#![cfg(not(loom))]

mod common;

use std::{
    io::{Read, Write},
    sync::Arc,
};

use common::{Bench, connect, frame as bench, serve, wait_until};
use netpoll::{
    Call, Connection, ErrorKind, Flow, Frame, Result, Service,
    buf::LinkBuffer,
    frame::{
        self, Arena, Auto, Cursor, Decode, DecodeError, Decoder, Encode, EncodeError, Encoder,
        FrameError, FrameErrorKind, Progress, ScanError, Scanner, Stop, Window, Wire,
    },
};
use parking_lot::Mutex;

/// How a scanner, a decoder or an encoder misbehaves; the first byte of a request says how.
#[derive(Default)]
struct Faulty;

impl Scanner for Faulty {
    fn scan(&mut self, w: &Window<'_>, _: usize) -> Result<Progress, ScanError> {
        match w.array(0) {
            Some([b'p']) => panic!("a scanner's"),
            Some([b'0']) => Ok(Progress::Ready(0)),
            Some([b'm']) => Ok(Progress::Ready(w.len() + 1)),
            Some([b'M']) => Ok(Progress::Ready(usize::MAX)),
            Some([b'n']) => Ok(Progress::Need(usize::MAX)),
            _ => Ok(Progress::Ready(1)),
        }
    }
}

struct Byte(u8);

impl Frame for Byte {
    type Scan = Faulty;
    type At<'a> = Byte;
}

impl<'a> Decode<'a> for Byte {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let [byte] = r.take()?;
        assert!(byte != b'd', "a decoder's");
        let _ = [0u8; 4][usize::from(byte == b'x') * r.pos() * 9];
        Ok(Byte(byte))
    }
}

impl Encode for Byte {
    fn encoded_len(&self) -> usize {
        1
    }
    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(&[self.0])?;
        assert!(self.0 != b'e', "an encoder's");
        Ok(())
    }
}

struct Echo(Arc<Mutex<Vec<(ErrorKind, bool, String)>>>);

impl Service for Echo {
    type Session = ();
    type Request = Byte;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }
    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, byte: Byte) -> Result<Flow> {
        call.out.put(&byte)?;
        Ok(Flow::Continue)
    }
    fn on_error(&self, _: &Connection, error: &netpoll::Error) {
        let of_frame = FrameError::of(error).is_some();
        self.0.lock().push((error.kind(), of_frame, error.to_string()));
    }
}

#[test]
fn a_panic_or_an_impossible_answer_of_a_format_is_a_malformed_frame() {
    let errors = Arc::default();
    let (runtime, server) = serve(Echo(Arc::clone(&errors)), |b| b);
    let cases = [
        (b'p', ErrorKind::Malformed, "a scanner's"),
        (b'0', ErrorKind::Malformed, "a frame of 0 bytes"),
        (b'm', ErrorKind::Malformed, "a frame of 3 bytes"),
        (b'M', ErrorKind::Malformed, "a frame of 18446744073709551615 bytes"),
        (b'n', ErrorKind::FrameTooLarge, "exceeds max_frame ("),
        (b'd', ErrorKind::Malformed, "a decoder's"),
        (b'x', ErrorKind::Malformed, "out of bounds"),
        (b'e', ErrorKind::Malformed, "an encoder's"),
    ];
    let workers = runtime.stats().workers;
    for (byte, kind, text) in cases {
        let mut client = connect(&server);
        client.write_all(b"ok").unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
        client.write_all(&[byte, b'.']).unwrap();
        let mut rest = Vec::new();
        // The connection ends, and nothing of a half-written answer arrives.
        let _ = client.read_to_end(&mut rest);
        assert_eq!(rest, b"", "{}", byte as char);
        wait_until(|| !errors.lock().is_empty());
        let (seen, of_frame, message) = errors.lock().remove(0);
        assert_eq!((seen, of_frame), (kind, true), "{}: {message}", byte as char);
        assert!(message.contains(text), "{}: {message}", byte as char);
    }
    assert!(runtime.stats().workers >= workers, "workers are lost");
    let mut client = connect(&server);
    client.write_all(b"ok").unwrap();
    client.read_exact(&mut [0; 2]).unwrap();
}

#[test]
fn a_frame_that_is_too_large_says_its_size_and_the_limit() {
    let echo = common::Echo::default();
    let (_runtime, server) = serve(echo, |b| b.max_frame(1000));
    let mut client = connect(&server);
    client.write_all(&bench(&[0; 2000])).unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
    let e = frame::round_trip::<Small<'_>>(&[0, 99]).unwrap_err();
    assert!(e.to_string().contains("99 bytes"), "{e}");
    let _ = Bench(&[]);
}

#[derive(Frame)]
struct Small<'a> {
    #[frame(len(of = rest, max = 9))]
    n: Auto<u16>,
    #[frame(rest)]
    body: &'a [u8],
}

/// Declares one byte, and writes as many as it says.
mod liar {
    use super::*;

    pub(super) fn get(r: &mut Decoder<'_>) -> Result<u8, DecodeError> {
        r.take().map(|[byte]| byte)
    }
    pub(super) fn size(_: &u8) -> usize {
        1
    }
    pub(super) fn put(n: &u8, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        (0..*n).try_for_each(|_| w.write(b"L"))
    }
}

/// The same, as a type.
struct Liar(u8);

impl<'a, S> Wire<'a, S> for Liar {
    const FIXED: Option<usize> = Some(1);
    const MIN: usize = 1;
    type Skip = ();

    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        liar::get(r).map(Liar)
    }
    fn size(&self) -> usize {
        1
    }
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        liar::put(&self.0, w)
    }
}

#[derive(Frame)]
struct Module<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(with = liar)]
    x: u8,
    #[frame(rest)]
    body: &'a [u8],
}

#[derive(Frame)]
struct Nested {
    #[frame(count_prefix = u8)]
    list: Vec<(u8, Liar)>,
    boxed: Box<Liar>,
}

#[derive(Frame)]
struct Mapped {
    #[frame(prefix = u8, try_map = first, unmap = text)]
    text: u8,
}

fn first(bytes: &[u8]) -> Result<u8, String> {
    bytes.first().copied().ok_or_else(String::new)
}
/// Another text each time.
fn text(_: &u8) -> String {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    static CALLS: AtomicUsize = AtomicUsize::new(1);
    "x".repeat(CALLS.fetch_add(1, Relaxed))
}

/// Encodes behind other bytes; gives the error's kind and field, after which nothing was added.
fn refused(frame: &impl Encode) -> Option<(FrameErrorKind, String)> {
    let mut out = LinkBuffer::try_from(&b"before"[..]).unwrap();
    let result = frame::encode(frame, &mut out);
    out.flush();
    let e = result.err()?;
    assert_eq!(out.to_vec(), b"before");
    Some((e.kind().clone(), e.field().to_owned()))
}

#[test]
fn an_encoder_that_writes_another_size_than_it_declares_is_refused() {
    let size = |written| FrameErrorKind::Size { declared: 1, written };
    for n in [0, 2, 5, 255] {
        let module = Module { n: Auto::default(), x: n, body: b"body" };
        let n = usize::from(n);
        assert_eq!(refused(&module), Some((size(n), "x".to_owned())));
        let list =
            Nested { list: vec![(0, Liar(1)), (0, Liar(n as u8))], boxed: Box::new(Liar(1)) };
        assert_eq!(refused(&list).unwrap().1, "list[1]");
        let boxed = Nested { list: vec![], boxed: Box::new(Liar(n as u8)) };
        assert_eq!(refused(&boxed), Some((size(n), "boxed".to_owned())));
    }
    let honest = Module { n: Auto::default(), x: 1, body: b"body" };
    assert_eq!(refused(&honest), None);
    assert_eq!(refused(&Mapped { text: 1 }).unwrap().1, "text");
}

/// An element without bytes.
#[derive(Frame)]
struct Units {
    n: u32,
    #[frame(count = n)]
    items: Vec<[u8; 0]>,
}

#[derive(Frame)]
struct Options {
    n: u32,
    #[frame(count = n)]
    items: Vec<Perhaps>,
}

#[derive(Frame, Debug, PartialEq)]
struct Perhaps {
    #[frame(with = nothing)]
    byte: Option<u8>,
}

/// A byte if it is the letter a.
mod nothing {
    use super::*;

    pub(super) fn skip(c: &mut Cursor<'_>) -> Result<(), Stop> {
        c.skip(0)
    }
    pub(super) fn get(_: &mut Decoder<'_>) -> Result<Option<u8>, DecodeError> {
        Ok(None)
    }
    pub(super) fn size(_: &Option<u8>) -> usize {
        0
    }
    pub(super) fn put(_: &Option<u8>, _: &mut Encoder<'_>) -> Result<(), EncodeError> {
        Ok(())
    }
}

#[test]
fn elements_without_bytes_are_bounded_when_scanned_and_when_decoded() {
    fn both<F: Frame>(n: u32) -> bool {
        let wire = n.to_be_bytes();
        let scan = F::Scan::default().scan(&Window::new(&wire[..]), 1 << 20);
        let arena = Arena::new();
        let decoded = frame::decode::<F>(&wire[..], 4, &arena).is_ok();
        assert_eq!(scan.is_ok(), decoded, "{n}: {scan:?}");
        decoded
    }
    for n in [0, 1, 5, 65_536] {
        assert!(both::<Units>(n) && both::<Options>(n), "{n}");
    }
    for n in [65_537, 1 << 20, u32::MAX] {
        assert!(!both::<Units>(n) && !both::<Options>(n), "{n}");
    }
}

#[derive(Frame)]
#[frame(tag = u8, recursive(depth = 32))]
enum Tree {
    #[frame(tag = 0)]
    Leaf(u8),
    #[frame(tag = 1)]
    Branch(#[frame(count_prefix = u32)] Vec<Tree>),
}

/// A million bytes that announce at each of 30 levels as many elements as can follow: the elements'
/// memory would be a gigabyte.
#[test]
fn nested_counts_take_no_memory_for_what_they_announce() {
    let levels = 30;
    let mut wire = Vec::new();
    let size = 1_000_000usize;
    for _ in 0..levels {
        wire.push(1);
        wire.extend(((size - wire.len()) as u32 / 2 - 10).to_be_bytes());
    }
    wire.resize(size, 0);
    let before = peak();
    let arena = Arena::new();
    // It ends too early for all that it announces: that is no matter here.
    let _ = frame::decode::<Tree>(&wire[..], size, &arena);
    let grown = peak().saturating_sub(before);
    assert!(grown < 100 << 20, "{grown} bytes of address space");
}

/// The most address space that this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}

#[derive(Frame, Debug)]
#[frame(tag = u8)]
enum Value<'a> {
    #[frame(tag = b'$')]
    Bulk(#[frame(prefix = frame::AsciiCrlf, none = -1, tail = b"\r\n")] Option<&'a [u8]>),
    #[frame(tag = b':')]
    Int(#[frame(ascii, until = b"\r\n")] i64),
    #[frame(tag = b'~')]
    Any(#[frame(ascii(lenient), until = b"\r\n")] i64),
    #[frame(tag = b'*')]
    Pair(#[frame(count_prefix = frame::AsciiCrlf)] Vec<Item<'a>>),
}

#[derive(Frame, Debug)]
struct Item<'a>(#[frame(prefix = u8, tail = b";")] &'a [u8]);

#[test]
fn a_scan_refuses_a_wrong_tail_as_soon_as_it_is_there() {
    let scan =
        |wire: &[u8]| <Value<'_> as Frame>::Scan::default().scan(&Window::new(wire), 1 << 20);
    assert_eq!(scan(b"$2\r\nhi\r\n").unwrap(), Progress::Ready(8));
    assert_eq!(scan(b"$2\r\nhi").unwrap(), Progress::Need(8));
    assert_eq!(scan(b"$-1\r\n").unwrap(), Progress::Ready(5));
    let e = scan(b"$2\r\nhiXX").unwrap_err();
    assert_eq!((e.kind(), e.at(), e.field()), (&FrameErrorKind::Magic, 6, "Bulk.0"));
    let e = scan(b"*2\r\n\x01a;\x01bX").unwrap_err();
    assert_eq!((e.kind(), e.at()), (&FrameErrorKind::Magic, 9));
    assert_eq!(netpoll::Error::from(e).kind(), ErrorKind::Malformed);
}

#[test]
fn digits_are_read_as_they_are_written_unless_a_format_is_lenient() {
    let ok = |wire: &str| frame::round_trip::<Value<'_>>(wire.as_bytes()).is_ok();
    for wire in
        [":0\r\n", ":-1\r\n", ":10\r\n", "$0\r\n\r\n", "~0\r\n", "~+1\r\n", "~-0\r\n", "~007\r\n"]
    {
        assert!(ok(wire), "{wire:?}");
    }
    for wire in [
        ":+1\r\n",
        ":01\r\n",
        ":-0\r\n",
        ":-01\r\n",
        ":00\r\n",
        ":\r\n",
        ":-\r\n",
        "$+0\r\n\r\n",
        "$00\r\n\r\n",
        "$-0\r\n\r\n",
        "$01\r\na\r\n",
        "*+0\r\n",
        "*00\r\n",
        "*-0\r\n",
        "~+\r\n",
        "~1 \r\n",
    ] {
        assert!(!ok(wire), "{wire:?}");
    }
}
