//! Derived frames of known formats, against bytes written by hand.

mod frame_support;

use std::fmt::Debug;

use frame_support::{check, check_decode, check_scan, nodes};
use netpoll::{
    Frame,
    buf::{LinkBuffer, LinkSlice},
    frame::{self, Arena, AsciiCrlf, Auto, Encode, Sequenced, Varint},
};

fn auto<T: Copy>(value: T) -> Auto<T> {
    Auto::new(value)
}

/// A slice of its own.
fn slice(bytes: &[u8]) -> LinkSlice {
    LinkBuffer::try_from(bytes).unwrap().slice(bytes.len()).unwrap()
}

#[derive(Debug, Frame)]
struct Bench<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

#[test]
fn bench() {
    check::<Bench<'_>>(b"\0\0\0\x05hello", Bench { n: auto(5), body: b"hello" });
    check::<Bench<'_>>(b"\0\0\0\0", Bench { n: auto(0), body: b"" });
}

#[derive(Debug, Frame)]
struct MySql<'a> {
    #[frame(le, u24, len(of = body))]
    n: Auto<u32>,
    seq: u8,
    body: &'a [u8],
}

#[test]
fn mysql() {
    let ping = MySql { n: auto(1), seq: 7, body: b"\x0e" };
    check::<MySql<'_>>(b"\x01\0\0\x07\x0e", ping);
    let long = vec![b'q'; 0x010203];
    let wire = [&b"\x03\x02\x01\0"[..], &long].concat();
    let (input, arena) = (nodes([&wire[..]]), Arena::new());
    let decoded = frame::decode::<MySql<'_>>(&input, wire.len(), &arena).unwrap();
    assert_eq!((decoded.n.get(), decoded.body.len()), (0x010203, 0x010203));
    frame_support::encodes_to(&decoded, &wire);
}

#[derive(Debug, Frame)]
struct Pg<'a> {
    kind: u8,
    #[frame(len(of = n..))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

#[test]
fn postgres() {
    check::<Pg<'_>>(b"Q\0\0\0\x0dselect 1\0", Pg { kind: b'Q', n: auto(13), body: b"select 1\0" });
    check::<Pg<'_>>(b"S\0\0\0\x04", Pg { kind: b'S', n: auto(4), body: b"" });
}

#[derive(Debug, Frame)]
struct DnsTcp<'a> {
    #[frame(len(of = rest))]
    n: Auto<u16>,
    id: u16,
    #[frame(rest)]
    msg: &'a [u8],
}

#[test]
fn dns_over_tcp() {
    check::<DnsTcp<'_>>(b"\0\x05\xab\xcdxyz", DnsTcp { n: auto(5), id: 0xabcd, msg: b"xyz" });
}

#[derive(Debug, Frame)]
struct H2<'a> {
    #[frame(u24, len(of = payload))]
    n: Auto<u32>,
    kind: u8,
    flags: u8,
    #[frame(bits = 1)]
    r: bool,
    #[frame(bits = 31)]
    stream: u32,
    payload: &'a [u8],
}

#[test]
fn http2() {
    let wire = b"\0\0\x08\x06\x01\x80\0\0\x03pingpong";
    let frame = H2 { n: auto(8), kind: 6, flags: 1, r: true, stream: 3, payload: b"pingpong" };
    check::<H2<'_>>(wire, frame);
}

#[derive(Debug, Frame)]
struct GrpcMsg<'a> {
    compressed: bool,
    #[frame(prefix = u32)]
    body: &'a [u8],
}

#[test]
fn grpc() {
    check::<GrpcMsg<'_>>(b"\x01\0\0\0\x03abc", GrpcMsg { compressed: true, body: b"abc" });
}

#[derive(Debug, Frame)]
struct McBin<'a> {
    #[frame(magic = 0x80u8)]
    m: (),
    op: u8,
    #[frame(len(of = key))]
    kl: Auto<u16>,
    #[frame(len(of = extras))]
    el: Auto<u8>,
    dt: u8,
    vb: u16,
    #[frame(len(of = extras..))]
    total: Auto<u32>,
    #[frame(seq)]
    opaque: u32,
    cas: u64,
    extras: &'a [u8],
    key: &'a [u8],
    #[frame(rest)]
    value: &'a [u8],
}

#[test]
fn memcached_binary() {
    let wire = b"\x80\x01\0\x05\x04\0\0\0\0\0\0\x0e\xde\xad\xbe\xef\0\0\0\0\0\0\0\x02\
        \x01\x02\x03\x04HelloWorld";
    let mut set = McBin {
        m: (),
        op: 1,
        kl: auto(5),
        el: auto(4),
        dt: 0,
        vb: 0,
        total: auto(14),
        opaque: 0xdead_beef,
        cas: 2,
        extras: b"\x01\x02\x03\x04",
        key: b"Hello",
        value: b"World",
    };
    check::<McBin<'_>>(wire, &set);
    set.set_seq(5);
    assert_eq!((set.seq(), set.opaque), (5, 5));
}

#[derive(Debug, Frame)]
struct McText<'a> {
    #[frame(until = b"\r\n", max = 2048)]
    line: &'a str,
    #[frame(size_with = data_len)]
    data: &'a [u8],
}

/// The data behind the line that `head` is, and its line's end.
fn data_len(head: &[u8]) -> Result<usize, &'static str> {
    if !head.starts_with(b"set ") {
        return Ok(0);
    }
    let words = std::str::from_utf8(head).map_err(|_| "not text")?;
    let n: usize = words.split_whitespace().nth(4).and_then(|w| w.parse().ok()).ok_or("no size")?;
    Ok(n.saturating_add(2))
}

#[test]
fn memcached_text() {
    let set = McText { line: "set key 0 60 5", data: b"hello\r\n" };
    check::<McText<'_>>(b"set key 0 60 5\r\nhello\r\n", set);
    check::<McText<'_>>(b"get key\r\n", McText { line: "get key", data: b"" });
}

#[derive(Debug, Frame)]
struct Kafka<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    api: i16,
    ver: i16,
    #[frame(seq)]
    corr: i32,
    #[frame(prefix = i16, none = -1)]
    client: Option<&'a str>,
    #[frame(if = flexible(api, ver))]
    tags: Option<TagList<'a>>,
    #[frame(rest)]
    body: &'a [u8],
}

fn flexible(api: i16, ver: i16) -> bool {
    api == 18 && ver >= 3
}

#[derive(Debug, Frame)]
struct TagList<'a> {
    #[frame(count_prefix = Varint)]
    tags: Vec<Tag<'a>>,
}

#[derive(Debug, Frame)]
struct Tag<'a> {
    #[frame(varint)]
    key: u32,
    #[frame(prefix = Varint)]
    value: &'a [u8],
}

#[test]
fn kafka() {
    let wire = b"\0\0\0\x0d\0\x03\0\x01\0\0\0\x2a\xff\xffabc";
    let metadata =
        Kafka { n: auto(13), api: 3, ver: 1, corr: 42, client: None, tags: None, body: b"abc" };
    check::<Kafka<'_>>(wire, metadata);
    let wire = b"\0\0\0\x17\0\x12\0\x03\0\0\0\x07\0\x02cl\x02\x01\x02hi\xac\x02\x00\x02\x01z";
    let tags = vec![Tag { key: 1, value: b"hi" }, Tag { key: 300, value: b"" }];
    let versions = Kafka {
        n: auto(23),
        api: 18,
        ver: 3,
        corr: 7,
        client: Some("cl"),
        tags: Some(TagList { tags }),
        body: b"\x02\x01z",
    };
    check::<Kafka<'_>>(wire, versions);
    check::<TagList<'_>>(b"\x01\x05\x03abc", TagList { tags: vec![Tag { key: 5, value: b"abc" }] });
}

#[derive(Debug, Frame)]
struct Ws<'a> {
    #[frame(bits = 1)]
    fin: bool,
    #[frame(bits = 3)]
    rsv: u8,
    #[frame(bits = 4)]
    op: u8,
    #[frame(bits = 1)]
    mask: bool,
    #[frame(bits = 7)]
    n7: u8,
    #[frame(if = n7 == 126)]
    n16: Option<u16>,
    #[frame(if = n7 == 127)]
    n64: Option<u64>,
    #[frame(if = mask)]
    key: Option<u32>,
    #[frame(size = ws_len(n7, n16, n64))]
    body: &'a [u8],
}

fn ws_len(n7: u8, n16: Option<u16>, n64: Option<u64>) -> u64 {
    n64.or(n16.map(u64::from)).unwrap_or(n7.into())
}

#[test]
fn websocket() {
    let mut ping = Ws {
        fin: true,
        rsv: 0,
        op: 9,
        mask: true,
        n7: 2,
        n16: None,
        n64: None,
        key: Some(0x0102_0304),
        body: b"ab",
    };
    check::<Ws<'_>>(b"\x89\x82\x01\x02\x03\x04ab", &ping);
    let body = [7; 300];
    (ping.n7, ping.n16, ping.mask, ping.key, ping.body) = (126, Some(300), false, None, &body);
    check::<Ws<'_>>(&[&b"\x89\x7e\x01\x2c"[..], &body].concat(), &ping);
    (ping.n7, ping.n16, ping.n64) = (127, None, Some(300));
    check::<Ws<'_>>(&[&b"\x89\x7f\0\0\0\0\0\0\x01\x2c"[..], &body].concat(), &ping);
    ping.n16 = Some(1);
    let e = frame::encode(&ping, &mut LinkBuffer::new()).unwrap_err();
    assert_eq!(e.field(), "n16");
}

#[derive(Debug, Frame)]
struct ThriftFramed<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(check = ver >> 16 == 0x8001)]
    ver: u32,
    #[frame(prefix = u32)]
    name: &'a str,
    #[frame(seq)]
    id: i32,
    #[frame(rest)]
    args: LinkSlice,
}

#[test]
fn thrift_framed() {
    let wire = b"\0\0\0\x11\x80\x01\0\x01\0\0\0\x04ping\0\0\0\x09\0";
    let call =
        ThriftFramed { n: auto(17), ver: 0x8001_0001, name: "ping", id: 9, args: slice(b"\0") };
    check::<ThriftFramed<'_>>(wire, call);
    let broken = b"\0\0\0\x11\0\x01\0\x01\0\0\0\x04ping\0\0\0\x09\0";
    let e = frame_support::decoded::<ThriftFramed<'_>>(&nodes([&broken[..]]), 21).unwrap_err();
    assert_eq!((e.field(), e.at()), ("ver", 4));
    assert!(e.to_string().contains("ver >> 16 == 0x8001"), "{e}");
}

#[derive(Debug, Frame)]
struct TtHeader<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(magic = 0x1000u16)]
    m: (),
    flags: u16,
    #[frame(seq)]
    id: u32,
    #[frame(len(of = head, unit = 4))]
    hs: Auto<u16>,
    #[frame(align = 4)]
    head: TtInfo<'a>,
    #[frame(rest)]
    payload: LinkSlice,
}

#[derive(Debug, Frame)]
#[frame(part)]
struct TtInfo<'a> {
    proto: u8,
    #[frame(count_prefix = u8)]
    xf: Vec<u8>,
    #[frame(rest)]
    kv: Vec<Info<'a>>,
}

#[derive(Debug, Frame)]
struct Str16<'a>(#[frame(prefix = u16)] &'a str);

#[derive(Debug, Frame)]
#[frame(tag = u8)]
enum Info<'a> {
    #[frame(tag = 0)]
    Pad,
    #[frame(tag = 1)]
    Str(#[frame(count_prefix = u16)] Vec<(Str16<'a>, Str16<'a>)>),
    #[frame(tag = 0x10)]
    Int(#[frame(count_prefix = u16)] Vec<(u16, Str16<'a>)>),
    #[frame(tag = 0x11)]
    Acl(Str16<'a>),
}

#[test]
fn ttheader() {
    let head = b"\0\x01\x07\x01\0\x01\0\x01a\0\x02bc\x10\0\x01\0\x05\0\x01z\x11\0\x01x\0\0\0";
    assert_eq!(head.len(), 28);
    let wire = [b"\0\0\0\x2a\x10\0\0\x02\0\0\0\x63\0\x07", &head[..], b"body"].concat();
    let kv = vec![
        Info::Str(vec![(Str16("a"), Str16("bc"))]),
        Info::Int(vec![(5, Str16("z"))]),
        Info::Acl(Str16("x")),
        Info::Pad,
        Info::Pad,
        Info::Pad,
    ];
    let mut frame = TtHeader {
        n: auto(42),
        m: (),
        flags: 2,
        id: 99,
        hs: auto(7),
        head: TtInfo { proto: 0, xf: vec![7], kv },
        payload: slice(b"body"),
    };
    check::<TtHeader<'_>>(&wire, &frame);
    // What is not aligned is padded, which reads as `Pad`s.
    frame.head.kv.truncate(3);
    let mut out = LinkBuffer::new();
    frame::encode(&frame, &mut out).unwrap();
    assert_eq!(out.to_vec(), wire);
    let broken = [&wire[..17], b"\x02", &wire[18..]].concat();
    let e = frame_support::decoded::<TtHeader<'_>>(&nodes([&broken[..]]), wire.len()).unwrap_err();
    assert_eq!((e.field(), e.at()), ("head.kv[0].tag", 17), "{e}");
}

#[derive(Debug, Frame, PartialEq)]
#[frame(tag = u8, recursive(depth = 32))]
enum Resp<'a> {
    #[frame(tag = b'+')]
    Simple(#[frame(until = b"\r\n")] &'a str),
    #[frame(tag = b'-')]
    Error(#[frame(until = b"\r\n")] &'a str),
    #[frame(tag = b':')]
    Int(#[frame(ascii, until = b"\r\n")] i64),
    #[frame(tag = b'$')]
    Bulk(#[frame(prefix = AsciiCrlf, none = -1, tail = b"\r\n")] Option<&'a [u8]>),
    #[frame(tag = b'*')]
    Array(#[frame(count_prefix = AsciiCrlf, none = -1)] Option<Vec<Resp<'a>>>),
}

#[test]
fn resp() {
    check::<Resp<'_>>(b"+OK\r\n", Resp::Simple("OK"));
    check::<Resp<'_>>(b"-ERR no\r\n", Resp::Error("ERR no"));
    check::<Resp<'_>>(b":-1000\r\n", Resp::Int(-1000));
    check::<Resp<'_>>(b"$-1\r\n", Resp::Bulk(None));
    check::<Resp<'_>>(b"$0\r\n\r\n", Resp::Bulk(Some(b"")));
    check::<Resp<'_>>(b"*-1\r\n", Resp::Array(None));
    check::<Resp<'_>>(b"*0\r\n", Resp::Array(Some(vec![])));
    let inner = Resp::Array(Some(vec![Resp::Simple("in"), Resp::Array(Some(vec![]))]));
    let items = vec![Resp::Bulk(Some(b"a\r\nb")), inner, Resp::Int(7), Resp::Bulk(None)];
    let wire = b"*4\r\n$4\r\na\r\nb\r\n*2\r\n+in\r\n*0\r\n:7\r\n$-1\r\n";
    check::<Resp<'_>>(wire, Resp::Array(Some(items)));
}

#[test]
fn resp_nests_so_deep() {
    for (depth, stands) in [(31, true), (32, false)] {
        let wire = [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
        check_scan::<Resp<'_>>(&wire);
        let decoded = frame_support::decoded::<Resp<'_>>(&nodes([&wire[..]]), wire.len());
        assert_eq!(decoded.is_ok(), stands, "{decoded:?}");
    }
}

#[derive(Debug, Frame)]
struct HttpHead<'a> {
    #[frame(until = b"\r\n\r\n", inclusive, max = 65536, try_map = parse_head)]
    head: Head<'a>,
}

#[derive(Debug)]
#[allow(dead_code)] // Seen through `Debug`.
struct Head<'a> {
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
}

fn parse_head(bytes: &[u8]) -> Result<Head<'_>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(bytes)?;
    Ok(Head {
        method: request.method.unwrap_or_default(),
        path: request.path.unwrap_or_default(),
        headers: request
            .headers
            .iter()
            .map(|h| (h.name, std::str::from_utf8(h.value).unwrap_or_default()))
            .collect(),
    })
}

#[test]
fn http_head() {
    let wire = b"GET /x HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
    let headers = vec![("Host", "a"), ("Accept", "*/*")];
    check_scan::<HttpHead<'_>>(wire);
    let head = HttpHead { head: Head { method: "GET", path: "/x", headers } };
    check_decode::<HttpHead<'_>>(wire, &head);
    let broken = b"GET /x HTTP/1.1\r\nHo st: a\r\n\r\n";
    let e = frame_support::decoded::<HttpHead<'_>>(&nodes([&broken[..]]), broken.len());
    assert_eq!(e.unwrap_err().to_string(), "field `head`, byte 0: invalid header name");
}

#[test]
fn types_without_a_length_are_no_frames_but_parts() {
    fn is_encoded<T: Encode + Debug>(_: &T) {}
    is_encoded(&Str16("x"));
    check::<Str16<'_>>(b"\0\x01x", Str16("x"));
    check::<Info<'_>>(b"\x11\0\x01x", Info::Acl(Str16("x")));
}
