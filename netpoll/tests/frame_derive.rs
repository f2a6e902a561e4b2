//! Derived frames of known formats, against bytes written by hand.

mod frame_support;

use std::fmt::Debug;

use frame_support::{
    check, check_decode, check_scan,
    formats::{
        Bench, DnsTcp, GrpcMsg, H2, Head, HttpHead, Info, Kafka, McBin, McText, MySql, Pg, Resp,
        Str16, Tag, TagList, ThriftFramed, TtHeader, TtInfo, Ws,
    },
    nodes,
};
use netpoll::{
    buf::{LinkBuffer, LinkSlice},
    frame::{self, Arena, Auto, Encode, Sequenced},
};

fn auto<T: Copy>(value: T) -> Auto<T> {
    Auto::new(value)
}

/// A slice of its own.
fn slice(bytes: &[u8]) -> LinkSlice {
    LinkBuffer::try_from(bytes).unwrap().slice(bytes.len()).unwrap()
}

#[test]
fn bench() {
    check::<Bench<'_>>(b"\0\0\0\x05hello", Bench { n: auto(5), body: b"hello" });
    check::<Bench<'_>>(b"\0\0\0\0", Bench { n: auto(0), body: b"" });
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

#[test]
fn postgres() {
    check::<Pg<'_>>(b"Q\0\0\0\x0dselect 1\0", Pg { kind: b'Q', n: auto(13), body: b"select 1\0" });
    check::<Pg<'_>>(b"S\0\0\0\x04", Pg { kind: b'S', n: auto(4), body: b"" });
}

#[test]
fn dns_over_tcp() {
    check::<DnsTcp<'_>>(b"\0\x05\xab\xcdxyz", DnsTcp { n: auto(5), id: 0xabcd, msg: b"xyz" });
}

#[test]
fn http2() {
    let wire = b"\0\0\x08\x06\x01\x80\0\0\x03pingpong";
    let frame = H2 { n: auto(8), kind: 6, flags: 1, r: true, stream: 3, payload: b"pingpong" };
    check::<H2<'_>>(wire, frame);
}

#[test]
fn grpc() {
    check::<GrpcMsg<'_>>(b"\x01\0\0\0\x03abc", GrpcMsg { compressed: true, body: b"abc" });
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

#[test]
fn memcached_text() {
    let set = McText { line: "set key 0 60 5", data: b"hello\r\n" };
    check::<McText<'_>>(b"set key 0 60 5\r\nhello\r\n", set);
    check::<McText<'_>>(b"get key\r\n", McText { line: "get key", data: b"" });
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
