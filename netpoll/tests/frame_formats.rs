//! Generated values of the known formats: what is encoded is decoded, whatever the pieces.

mod frame_support;

use frame_support::{
    arrives,
    formats::{
        Bench, DnsTcp, GrpcMsg, H2, Info, Kafka, McBin, McText, MySql, Pg, Str16, Tag, TagList,
        ThriftFramed, TtHeader, TtInfo, Ws,
    },
};
use netpoll::{
    buf::{LinkBuffer, LinkSlice},
    frame::Auto,
};
use proptest::{collection::vec, option, prelude::*};

fn auto<T: Default>() -> Auto<T> {
    Auto::default()
}

fn slice(bytes: &[u8]) -> LinkSlice {
    LinkBuffer::try_from(bytes).unwrap().slice(bytes.len()).unwrap()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 250..700)]
}

fn text() -> impl Strategy<Value = String> {
    "[a-zä ]{0,12}"
}

/// Where the bytes are cut, and whether the scanner is asked at each cut.
fn cuts() -> impl Strategy<Value = (Vec<usize>, bool)> {
    (vec(any::<usize>(), 0..12), any::<bool>())
}

/// A part of a TTHeader's head.
#[derive(Clone, Debug)]
enum Part {
    Pad,
    Str(Vec<(String, String)>),
    Int(Vec<(u16, String)>),
    Acl(String),
}

impl Part {
    fn borrowed(&self) -> Info<'_> {
        match self {
            Self::Pad => Info::Pad,
            Self::Str(all) => Info::Str(all.iter().map(|(k, v)| (Str16(k), Str16(v))).collect()),
            Self::Int(all) => Info::Int(all.iter().map(|(k, v)| (*k, Str16(v))).collect()),
            Self::Acl(token) => Info::Acl(Str16(token)),
        }
    }

    fn size(&self) -> usize {
        let text = |text: &String| 2 + text.len();
        1 + match self {
            Self::Pad => 0,
            Self::Str(all) => 2 + all.iter().map(|(k, v)| text(k) + text(v)).sum::<usize>(),
            Self::Int(all) => 2 + all.iter().map(|(_, v)| 2 + text(v)).sum::<usize>(),
            Self::Acl(token) => text(token),
        }
    }
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Pad),
        vec((text(), text()), 0..3).prop_map(Part::Str),
        vec((any::<u16>(), text()), 0..3).prop_map(Part::Int),
        text().prop_map(Part::Acl),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn lengths(
        body in bytes(), (kind, seq) in any::<(u8, u8)>(), id: u16, compressed: bool,
        (cuts, every) in cuts()
    ) {
        arrives::<Bench<'_>>(&Bench { n: auto(), body: &body }, &cuts, every);
        arrives::<MySql<'_>>(&MySql { n: auto(), seq, body: &body }, &cuts, every);
        arrives::<Pg<'_>>(&Pg { kind, n: auto(), body: &body }, &cuts, every);
        arrives::<DnsTcp<'_>>(&DnsTcp { n: auto(), id, msg: &body }, &cuts, every);
        arrives::<GrpcMsg<'_>>(&GrpcMsg { compressed, body: &body }, &cuts, every);
    }

    #[test]
    fn http2(
        (kind, flags, r) in any::<(u8, u8, bool)>(), stream in 0..1u32 << 31, payload in bytes(),
        (cuts, every) in cuts()
    ) {
        let frame = H2 { n: auto(), kind, flags, r, stream, payload: &payload };
        arrives::<H2<'_>>(&frame, &cuts, every);
    }

    #[test]
    fn memcached(
        (op, dt, vb, opaque, cas) in any::<(u8, u8, u16, u32, u64)>(),
        (extras, key, value) in (vec(any::<u8>(), 0..255), bytes(), bytes()),
        (name, data) in ("[a-z]{1,9}", bytes()), (cuts, every) in cuts()
    ) {
        let frame = McBin {
            m: (), op, kl: auto(), el: auto(), dt, vb, total: auto(), opaque, cas,
            extras: &extras, key: &key, value: &value,
        };
        arrives::<McBin<'_>>(&frame, &cuts, every);
        let line = format!("set {name} 0 60 {}", data.len());
        let data = [&data[..], b"\r\n"].concat();
        arrives::<McText<'_>>(&McText { line: &line, data: &data }, &cuts, every);
        arrives::<McText<'_>>(&McText { line: &name, data: b"" }, &cuts, every);
    }

    #[test]
    fn kafka(
        (api, ver, corr) in (prop_oneof![Just(18), any::<i16>()], any::<i16>(), any::<i32>()),
        client in option::of(text()), tags in vec((any::<u32>(), bytes()), 0..5), body in bytes(),
        (cuts, every) in cuts()
    ) {
        let tags = tags.iter().map(|(key, value)| Tag { key: *key, value }).collect();
        let tags = frame_support::formats::flexible(api, ver).then_some(TagList { tags });
        let client = client.as_deref();
        let frame = Kafka { n: auto(), api, ver, corr, client, tags, body: &body };
        arrives::<Kafka<'_>>(&frame, &cuts, every);
    }

    #[test]
    fn websocket(
        (fin, rsv, op) in (any::<bool>(), 0..8u8, 0..16u8), key in option::of(any::<u32>()),
        (body, long) in (bytes(), any::<bool>()), (cuts, every) in cuts()
    ) {
        let n = body.len();
        let n7 = if long { 127 } else { u8::try_from(n).ok().filter(|n| *n < 126).unwrap_or(126) };
        let (n16, n64) = ((n7 == 126).then_some(n as u16), long.then_some(n as u64));
        let mask = key.is_some();
        arrives::<Ws<'_>>(&Ws { fin, rsv, op, mask, n7, n16, n64, key, body: &body }, &cuts, every);
    }

    #[test]
    fn thrift(
        (minor, id) in any::<(u16, i32)>(), name in text(), args in bytes(), (cuts, every) in cuts()
    ) {
        let (ver, args) = (0x8001_0000 | u32::from(minor), slice(&args));
        arrives::<ThriftFramed<'_>>(
            &ThriftFramed { n: auto(), ver, name: &name, id, args }, &cuts, every
        );
    }

    #[test]
    fn ttheader(
        (flags, id, proto) in any::<(u16, u32, u8)>(), xf in vec(any::<u8>(), 0..4),
        mut parts in vec(part(), 0..5), payload in bytes(), (cuts, every) in cuts()
    ) {
        // The encoder pads to four bytes, and padding reads as parts.
        let head = 2 + xf.len() + parts.iter().map(Part::size).sum::<usize>();
        parts.resize(parts.len() + head.next_multiple_of(4) - head, Part::Pad);
        let kv = parts.iter().map(Part::borrowed).collect();
        let head = TtInfo { proto, xf, kv };
        let frame =
            TtHeader { n: auto(), m: (), flags, id, hs: auto(), head, payload: slice(&payload) };
        arrives::<TtHeader<'_>>(&frame, &cuts, every);
    }
}
