//! Each attribute, in formats of no protocol.

mod frame_support;

use std::fmt::Debug;

use bytes::Bytes;
use frame_support::{check, check_decode, check_scan, decoded, encodes_to, nodes};
use netpoll::{
    Frame,
    buf::{LinkBuffer, LinkSlice},
    frame::{
        self, Adler32, Arena, Auto, Chunks, Crc32, Crc32c, DecodeError, Decoder, EncodeError,
        Encoder, FrameErrorKind, Progress, Scan, Scanner, Stop, U24, Varint, Window, Wire,
    },
};

fn auto<T: Copy>(value: T) -> Auto<T> {
    Auto::new(value)
}

#[derive(Debug, Frame)]
#[frame(le)]
struct Orders {
    a: u16,
    #[frame(be)]
    b: u16,
    c: i32,
    #[frame(u24)]
    d: i32,
    #[frame(u24, be)]
    e: u32,
    f: f32,
    #[frame(be)]
    g: f64,
    h: u128,
    i: bool,
    j: [u16; 2],
    k: (u8, u16),
}

#[test]
fn byte_orders() {
    let wire = b"\x01\x02\x01\x02\xff\xff\xff\xff\xfe\xff\xff\x01\x02\x03\0\0\x80?\
        \x40\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x05\0\x06\0\x07\x08\0";
    let value = Orders {
        a: 0x0201,
        b: 0x0102,
        c: -1,
        d: -2,
        e: 0x010203,
        f: 1.0,
        g: 2.0,
        h: 1,
        i: true,
        j: [5, 6],
        k: (7, 8),
    };
    assert_eq!(<Orders as Frame>::FIXED, Some(wire.len()));
    check::<Orders>(wire, &value);
    let e = frame::encode(&Orders { d: 1 << 23, ..value }, &mut LinkBuffer::new()).unwrap_err();
    assert_eq!((e.field(), e.kind()), ("d", &FrameErrorKind::Range(1 << 23)));
    let mut broken = wire.to_vec();
    broken[42] = 2;
    let e = decoded::<Orders>(&nodes([&broken[..]]), broken.len()).unwrap_err();
    assert_eq!((e.field(), e.at()), ("i", 42));
    let e = decoded::<Orders>(&nodes([&wire[..]]), 13).unwrap_err();
    assert_eq!((e.field(), e.at()), ("e", 13));
}

#[derive(Debug, Frame)]
struct Small {
    #[frame(varint)]
    a: u64,
    #[frame(zigzag)]
    b: i32,
    #[frame(varint, count_prefix = Varint)]
    list: Vec<u32>,
}

#[test]
fn varints() {
    let value = Small { a: 300, b: -65, list: vec![1, 128] };
    check::<Small>(b"\xac\x02\x81\x01\x02\x01\x80\x01", value);
}

#[derive(Debug, Frame)]
struct Padded<'a> {
    kind: u8,
    #[frame(pad = 3)]
    a: u32,
    #[frame(prefix = u32, align = 4)]
    xdr: &'a [u8],
    #[frame(pad = 1)]
    last: Str8<'a>,
}

#[derive(Debug, Frame)]
struct Str8<'a>(#[frame(prefix = u8)] &'a str);

#[test]
fn padding_and_alignment() {
    let wire = b"\x07\0\0\0\0\0\0\x09\0\0\0\x05hello\0\0\0\0\x02hi";
    check::<Padded<'_>>(wire, Padded { kind: 7, a: 9, xdr: b"hello", last: Str8("hi") });
}

#[derive(Debug, Frame)]
struct Summed<'a> {
    #[frame(len(of = rest))]
    n: Auto<u16>,
    #[frame(crc(Crc32c, over = kind..=body))]
    before: Auto<u32>,
    kind: u8,
    #[frame(prefix = u16)]
    body: &'a [u8],
    #[frame(crc(Crc32, over = n..=body), le)]
    after: Auto<u32>,
    #[frame(crc(Adler32, over = body..=body))]
    adler: Auto<u32>,
}

#[test]
fn checksums() {
    let inner = b"\x01\0\x09123456789";
    let mut wire = b"\0\x18".to_vec();
    wire.extend(crc32c::crc32c(inner).to_be_bytes());
    wire.extend(inner);
    let after = crc32fast::hash(&wire);
    wire.extend(after.to_le_bytes());
    wire.extend(adler2::adler32_slice(&inner[1..]).to_be_bytes());
    wire[1] = wire.len() as u8 - 2;
    let after = crc32fast::hash(&wire[..18]);
    wire[18..22].copy_from_slice(&after.to_le_bytes());
    let value = Summed {
        n: auto(wire.len() as u16 - 2),
        before: auto(crc32c::crc32c(inner)),
        kind: 1,
        body: b"123456789",
        after: auto(after),
        adler: auto(adler2::adler32_slice(&inner[1..])),
    };
    check::<Summed<'_>>(&wire, value);
    wire[10] ^= 1;
    let e = decoded::<Summed<'_>>(&nodes([&wire[..]]), wire.len()).unwrap_err();
    assert_eq!(e.field(), "before");
    assert!(matches!(e.kind(), FrameErrorKind::Checksum { .. }));
}

#[derive(Debug, Frame)]
struct Handmade<'a> {
    #[frame(with = nibbles)]
    pair: (u8, u8),
    #[frame(prefix = u8, with = shouted)]
    text: &'a str,
}

mod nibbles {
    use super::*;

    pub(super) fn skip(c: &mut netpoll::frame::Cursor<'_>) -> Result<(), Stop> {
        c.skip(1)
    }
    pub(super) fn get(r: &mut Decoder<'_>) -> Result<(u8, u8), DecodeError> {
        let [byte] = r.take()?;
        Ok((byte >> 4, byte & 15))
    }
    pub(super) fn size(_: &(u8, u8)) -> usize {
        1
    }
    pub(super) fn put((high, low): &(u8, u8), w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(&[high << 4 | low])
    }
}

/// A text that ends with `!`.
mod shouted {
    use super::*;

    pub(super) fn get<'a>(r: &mut Decoder<'a>) -> Result<&'a str, DecodeError> {
        let text = <&str as Wire<'_>>::get(r)?;
        text.strip_suffix('!').ok_or_else(|| r.fail(FrameErrorKind::Magic))
    }
    pub(super) fn size(text: &&str) -> usize {
        text.len() + 1
    }
    pub(super) fn put(text: &&str, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(text.as_bytes())?;
        w.write(b"!")
    }
}

#[test]
fn functions_of_the_users() {
    check::<Handmade<'_>>(b"\x21\x03hi!", Handmade { pair: (2, 1), text: "hi" });
    let e = decoded::<Handmade<'_>>(&nodes([&b"\x21\x02hi"[..]]), 4).unwrap_err();
    assert_eq!((e.field(), e.at()), ("text", 4));
}

#[derive(Debug, PartialEq)]
enum Op {
    Get,
    Set,
}

impl Op {
    fn parse(code: u16) -> Result<Self, String> {
        match code {
            1 => Ok(Self::Get),
            2 => Ok(Self::Set),
            _ => Err(format!("no operation {code}")),
        }
    }
    fn code(&self) -> u16 {
        match self {
            Self::Get => 1,
            Self::Set => 2,
        }
    }
}

#[derive(Debug, Frame)]
struct Mapped<'a> {
    #[frame(as = u16, try_map = Op::parse, unmap = Op::code)]
    op: Op,
    #[frame(prefix = u8, try_map = words, unmap = joined)]
    words: Vec<&'a str>,
}

fn words(text: &str) -> Result<Vec<&str>, std::convert::Infallible> {
    Ok(text.split(' ').collect())
}

fn joined(words: &Vec<&str>) -> String {
    words.join(" ")
}

#[test]
fn conversions() {
    check::<Mapped<'_>>(b"\0\x02\x03a b", Mapped { op: Op::Set, words: vec!["a", "b"] });
    let e = decoded::<Mapped<'_>>(&nodes([&b"\0\x09\0"[..]]), 3).unwrap_err();
    assert_eq!(e.to_string(), "field `op`, byte 0: no operation 9");
}

#[derive(Debug, Frame)]
struct Envelope<'a> {
    kind: u8,
    wide: bool,
    #[frame(tag = kind)]
    body: Payload<'a>,
    #[frame(args(wide, kind))]
    number: Number,
}

#[derive(Debug, Frame)]
#[frame(args(kind: u8), tag = kind)]
enum Payload<'a> {
    #[frame(tag = 1)]
    Text(#[frame(prefix = u8)] &'a str),
    #[frame(tag = 2)]
    Number { value: u16 },
    #[frame(tag = _)]
    Other(u8, u8),
}

#[derive(Debug, Frame)]
#[frame(args(is_wide: bool, _kind: u8))]
struct Number {
    #[frame(if = is_wide)]
    wide: Option<u32>,
    #[frame(if = wide.is_none())]
    narrow: Option<u8>,
}

#[test]
fn arguments() {
    let narrow = || Number { wide: None, narrow: Some(4) };
    let text = Envelope { kind: 1, wide: false, body: Payload::Text("hi"), number: narrow() };
    check::<Envelope<'_>>(b"\x01\0\x02hi\x04", text);
    let body = Payload::Number { value: 258 };
    let number = Number { wide: Some(5), narrow: None };
    let value = Envelope { kind: 2, wide: true, body, number };
    check::<Envelope<'_>>(b"\x02\x01\x01\x02\0\0\0\x05", value);
    let other = Envelope { kind: 9, wide: false, body: Payload::Other(9, 3), number: narrow() };
    check::<Envelope<'_>>(b"\x09\0\x03\x04", &other);
    let e = frame::encode(&Envelope { kind: 8, ..other }, &mut LinkBuffer::new()).unwrap_err();
    assert_eq!((e.field(), e.kind()), ("body", &FrameErrorKind::Tag(8)));
}

#[derive(Debug, Frame)]
#[frame(tag = u16, le)]
enum Message<'a> {
    #[frame(tag = 1)]
    Empty,
    #[frame(tag = 2)]
    Named {
        id: u32,
        #[frame(until = b"\0")]
        name: &'a str,
    },
    #[frame(tag = _)]
    Unknown(u16, #[frame(prefix = u8)] &'a [u8]),
}

#[test]
fn tagged_enums() {
    check::<Message<'_>>(b"\x01\0", Message::Empty);
    check::<Message<'_>>(b"\x02\0\x05\0\0\0me\0", Message::Named { id: 5, name: "me" });
    check::<Message<'_>>(b"\x09\x01\x02xy", Message::Unknown(0x0109, b"xy"));
}

#[derive(Debug, Frame)]
struct Counts<'a> {
    pairs: u8,
    #[frame(len(of = first..=second, max = 100))]
    n: Auto<u16>,
    #[frame(prefix = U24)]
    first: &'a [u8],
    second: u8,
    #[frame(count = pairs)]
    list: Vec<(u8, Str8<'a>)>,
    #[frame(len(of = last, as = Varint))]
    m: Auto<u64>,
    #[frame(until = b"--", max = 10)]
    mark: &'a str,
    last: Vec<u16>,
}

#[test]
fn counts_ranges_and_lengths_of_any_kind() {
    let wire = b"\x02\0\x06\0\0\x02ab\x07\x01\x01x\x02\0\x04end--\0\x01\0\x02";
    let value = Counts {
        pairs: 2,
        n: auto(6),
        first: b"ab",
        second: 7,
        list: vec![(1, Str8("x")), (2, Str8(""))],
        m: auto(4),
        mark: "end",
        last: vec![1, 2],
    };
    check::<Counts<'_>>(wire, &value);
    let e = frame::encode(&Counts { pairs: 1, ..value }, &mut LinkBuffer::new()).unwrap_err();
    assert_eq!((e.field(), e.kind()), ("list", &FrameErrorKind::Length(2)));
    let mut longer = wire.to_vec();
    longer[2] = 7;
    let e = decoded::<Counts<'_>>(&nodes([&longer[..]]), longer.len()).unwrap_err();
    assert_eq!((e.field(), e.at(), e.kind()), ("second", 9, &FrameErrorKind::Trailing(1)));
}

#[derive(Debug, Frame)]
struct Bitwise {
    #[frame(len(of = frame, bias = 1))]
    n: Auto<u8>,
    #[frame(bits = 12)]
    a: u16,
    #[frame(bits = 2)]
    b: u8,
    #[frame(bits = 10)]
    c: u16,
}

#[test]
fn bits_across_bytes() {
    check::<Bitwise>(b"\x03\xab\xcd\x01", Bitwise { n: auto(3), a: 0xabc, b: 3, c: 0x101 });
    let e = frame::encode(&Bitwise { n: auto(0), a: 1 << 12, b: 0, c: 0 }, &mut LinkBuffer::new());
    assert_eq!(e.unwrap_err().field(), "a");
}

#[derive(Debug, Frame)]
struct Inclusive<'a> {
    kind: u8,
    #[frame(len(of = frame))]
    n: Auto<u8>,
    #[frame(rest)]
    body: &'a [u8],
}

#[test]
fn trailing_bytes_and_inclusive_lengths() {
    let value = Inclusive { kind: 1, n: auto(5), body: b"abc" };
    check::<Inclusive<'_>>(b"\x01\x05abc", value);
    let e = Scan::<Inclusive<'_>>::default().scan(&Window::new(&b"\x01\x01"[..]), 99).unwrap_err();
    assert_eq!((e.field(), e.kind()), ("n", &FrameErrorKind::Length(-1)));
}

#[derive(Debug, Frame)]
#[frame(trailing = keep)]
struct Extensible {
    #[frame(len(of = rest))]
    n: Auto<u8>,
    a: u8,
}

#[test]
fn what_a_newer_version_adds_is_passed() {
    check::<Extensible>(b"\x01\x09", Extensible { n: auto(1), a: 9 });
    check_scan::<Extensible>(b"\x03\x09\x01\x02");
    check_decode::<Extensible>(b"\x03\x09\x01\x02", &Extensible { n: auto(3), a: 9 });
}

#[derive(Debug, Frame)]
struct Generic<'a, T, const N: usize> {
    #[frame(len(of = rest))]
    n: Auto<u16>,
    head: T,
    #[frame(prefix = u8)]
    name: &'a str,
    key: [u8; N],
    #[frame(rest)]
    items: Vec<T>,
}

#[derive(Debug, Frame)]
struct Owned<T: Debug>
where
    T: Clone,
{
    #[frame(count_prefix = u8)]
    items: Vec<T>,
    tail: T,
}

#[test]
fn generics() {
    let value =
        Generic::<u16, 2> { n: auto(11), head: 1, name: "ab", key: [8, 9], items: vec![2, 3] };
    check::<Generic<'_, u16, 2>>(b"\0\x0b\0\x01\x02ab\x08\x09\0\x02\0\x03", value);
    check::<Owned<u16>>(b"\x02\0\x01\0\x02\0\x03", Owned { items: vec![1u16, 2], tail: 3 });
}

/// Names that the expansion uses, too.
#[derive(Debug, Frame)]
struct Hygiene<'a> {
    r: u8,
    w: u8,
    c: u8,
    s: u8,
    b: u8,
    #[frame(if = r > 0 || w > c || s > b)]
    n: Option<u8>,
    #[frame(size = r)]
    at: &'a [u8],
    #[frame(count = c)]
    p: Vec<u8>,
    #[frame(len(of = value))]
    least: Auto<u8>,
    value: &'a str,
    #[frame(args(w, s))]
    args: Args<'a>,
    r#type: u8,
}

#[derive(Debug, Frame)]
#[frame(args(r: u8, w: u8))]
struct Args<'a> {
    #[frame(size = r)]
    s: &'a [u8],
    #[frame(count = w)]
    c: Vec<u8>,
}

#[test]
fn names_do_not_clash() {
    let wire = b"\x01\x02\x01\x01\0\x05a\x07\x02hixy\x09\x03";
    let value = Hygiene {
        r: 1,
        w: 2,
        c: 1,
        s: 1,
        b: 0,
        n: Some(5),
        at: b"a",
        p: vec![7],
        least: auto(2),
        value: "hi",
        args: Args { s: b"xy", c: vec![9] },
        r#type: 3,
    };
    check::<Hygiene<'_>>(wire, value);
}

mod elsewhere {
    pub(super) use netpoll as renamed;
}

#[derive(Debug, elsewhere::renamed::Frame)]
#[frame(crate = crate::elsewhere::renamed)]
struct Renamed {
    a: u8,
}

#[test]
fn the_crate_may_have_another_name() {
    check::<Renamed>(b"\x01", Renamed { a: 1 });
}

#[derive(Debug, Frame)]
#[frame(max = 16)]
struct Limited<'a> {
    #[frame(prefix = u16)]
    body: &'a [u8],
}

#[test]
fn a_limit_of_its_own() {
    assert_eq!(Limited::MAX, 16);
    check::<Limited<'_>>(b"\0\x01x", Limited { body: b"x" });
    let e = Scan::<Limited<'_>>::default().scan(&Window::new(&b"\0\x0f"[..]), 99).unwrap_err();
    assert!(matches!(e.kind(), FrameErrorKind::TooLarge { size: 17, max: 16 }), "{e}");
}

#[derive(Frame)]
struct Payloads<'a> {
    #[frame(prefix = u8)]
    slice: &'a [u8],
    #[frame(prefix = u8)]
    text: &'a str,
    #[frame(prefix = u8)]
    chunks: Chunks<'a>,
    #[frame(prefix = u8)]
    bytes: Bytes,
    #[frame(prefix = u8)]
    link: LinkSlice,
    #[frame(prefix = u8)]
    string: String,
}

#[test]
fn fields_borrow_and_share_where_the_bytes_lie() {
    let wire = b"\x01a\x02bc\x03def\x04ghij\x05klmno\x03pqr";
    let (input, arena) = (nodes([&wire[..]]), Arena::new());
    let value = frame::decode::<Payloads<'_>>(&input, wire.len(), &arena).unwrap();
    let at = |offset: usize| input.node(0)[offset..].as_ptr();
    assert_eq!(value.slice.as_ptr(), at(1));
    assert_eq!(value.text.as_ptr(), at(3));
    assert_eq!(value.chunks.clone().next().unwrap().as_ptr(), at(6));
    assert_eq!(value.bytes.as_ptr(), at(10));
    assert_eq!(value.link.as_contiguous().unwrap().as_ptr(), at(15));
    assert_eq!(value.string, "pqr");
    assert!(arena.is_empty());
    encodes_to(&value, wire);

    // In pieces of four bytes: only what must be contiguous is copied, and that once.
    let input = nodes(wire.chunks(4));
    let value = frame::decode::<Payloads<'_>>(&input, wire.len(), &arena).unwrap();
    assert_eq!(value.slice.as_ptr(), input.node(0)[1..].as_ptr());
    assert_eq!((value.text, arena.len()), ("bc", 1));
    assert_eq!(value.chunks.clone().count(), 2);
    assert_eq!(value.chunks.clone().next().unwrap().as_ptr(), input.node(1)[2..].as_ptr());
    assert_eq!(value.link.chunks().next().unwrap().as_ptr(), input.node(3)[3..].as_ptr());
    assert_eq!(&value.bytes[..], b"ghij");
    encodes_to(&value, wire);
    let (bytes, link) = (value.bytes.clone(), value.link.clone());
    drop(input);
    let outlives = std::thread::spawn(move || (bytes, link.to_vec())).join().unwrap();
    assert_eq!(outlives, (Bytes::from_static(b"ghij"), b"klmno".to_vec()));
}

#[test]
fn long_shared_payloads_are_not_copied_on_the_way_out_either() {
    #[derive(Frame)]
    struct Long {
        #[frame(prefix = u32)]
        body: LinkSlice,
    }
    let body = nodes([&[7; 5000][..]]).slice(5000).unwrap();
    let from = body.as_contiguous().unwrap().as_ptr();
    let mut out = LinkBuffer::new();
    frame::encode(&Long { body }, &mut out).unwrap();
    assert_eq!(out.node(1).as_ptr(), from);
}

#[test]
fn a_scan_says_how_much_is_missing_at_once() {
    let mut scan = Scan::<Counts<'_>>::default();
    // Fixed fields, and what the others have at least: all is known to be missing.
    let found = scan.scan(&Window::new(&b""[..]), 99).unwrap();
    assert_eq!(found, Progress::Need(1 + 2 + 3 + 1 + 1 + 2));
}

#[derive(Debug, Frame)]
struct Few {
    #[frame(count_prefix = u16, max = 2)]
    list: Vec<u8>,
}

#[test]
fn elements_have_a_most() {
    check::<Few>(b"\0\x02ab", Few { list: b"ab".into() });
    let e = Scan::<Few>::default().scan(&Window::new(&b"\0\x03"[..]), 99).unwrap_err();
    assert_eq!((e.field(), e.kind()), ("list", &FrameErrorKind::TooLarge { size: 3, max: 2 }));
    assert!(decoded::<Few>(&nodes([&b"\0\x03abc"[..]]), 5).is_err());
    assert!(frame::encode(&Few { list: vec![0; 3] }, &mut LinkBuffer::new()).is_err());
}
