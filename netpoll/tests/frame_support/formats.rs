//! Known formats, declared.
#![allow(dead_code)] // Each test file uses its part.

use netpoll::{
    Frame,
    buf::LinkSlice,
    frame::{AsciiCrlf, Auto, Varint},
};

#[derive(Debug, Frame)]
pub(crate) struct Bench<'a> {
    #[frame(len(of = rest))]
    pub(crate) n: Auto<u32>,
    #[frame(rest)]
    pub(crate) body: &'a [u8],
}

#[derive(Debug, Frame)]
pub(crate) struct MySql<'a> {
    #[frame(le, u24, len(of = body))]
    pub(crate) n: Auto<u32>,
    pub(crate) seq: u8,
    pub(crate) body: &'a [u8],
}

#[derive(Debug, Frame)]
pub(crate) struct Pg<'a> {
    pub(crate) kind: u8,
    #[frame(len(of = n..))]
    pub(crate) n: Auto<u32>,
    #[frame(rest)]
    pub(crate) body: &'a [u8],
}

#[derive(Debug, Frame)]
pub(crate) struct DnsTcp<'a> {
    #[frame(len(of = rest))]
    pub(crate) n: Auto<u16>,
    pub(crate) id: u16,
    #[frame(rest)]
    pub(crate) msg: &'a [u8],
}

#[derive(Debug, Frame)]
pub(crate) struct H2<'a> {
    #[frame(u24, len(of = payload))]
    pub(crate) n: Auto<u32>,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    #[frame(bits = 1)]
    pub(crate) r: bool,
    #[frame(bits = 31)]
    pub(crate) stream: u32,
    pub(crate) payload: &'a [u8],
}

#[derive(Debug, Frame)]
pub(crate) struct GrpcMsg<'a> {
    pub(crate) compressed: bool,
    #[frame(prefix = u32)]
    pub(crate) body: &'a [u8],
}

#[derive(Debug, Frame)]
pub(crate) struct McBin<'a> {
    #[frame(magic = 0x80u8)]
    pub(crate) m: (),
    pub(crate) op: u8,
    #[frame(len(of = key))]
    pub(crate) kl: Auto<u16>,
    #[frame(len(of = extras))]
    pub(crate) el: Auto<u8>,
    pub(crate) dt: u8,
    pub(crate) vb: u16,
    #[frame(len(of = extras..))]
    pub(crate) total: Auto<u32>,
    #[frame(seq)]
    pub(crate) opaque: u32,
    pub(crate) cas: u64,
    pub(crate) extras: &'a [u8],
    pub(crate) key: &'a [u8],
    #[frame(rest)]
    pub(crate) value: &'a [u8],
}

#[derive(Debug, Frame)]
pub(crate) struct McText<'a> {
    #[frame(until = b"\r\n", max = 2048)]
    pub(crate) line: &'a str,
    #[frame(size_with = data_len)]
    pub(crate) data: &'a [u8],
}

/// The data behind the line that `head` is, and its line's end.
pub(crate) fn data_len(head: &[u8]) -> Result<usize, &'static str> {
    if !head.starts_with(b"set ") {
        return Ok(0);
    }
    let words = std::str::from_utf8(head).map_err(|_| "not text")?;
    let n: usize = words.split_whitespace().nth(4).and_then(|w| w.parse().ok()).ok_or("no size")?;
    Ok(n.saturating_add(2))
}

#[derive(Debug, Frame)]
pub(crate) struct Kafka<'a> {
    #[frame(len(of = rest))]
    pub(crate) n: Auto<u32>,
    pub(crate) api: i16,
    pub(crate) ver: i16,
    #[frame(seq)]
    pub(crate) corr: i32,
    #[frame(prefix = i16, none = -1)]
    pub(crate) client: Option<&'a str>,
    #[frame(if = flexible(api, ver))]
    pub(crate) tags: Option<TagList<'a>>,
    #[frame(rest)]
    pub(crate) body: &'a [u8],
}

pub(crate) fn flexible(api: i16, ver: i16) -> bool {
    api == 18 && ver >= 3
}

#[derive(Debug, Frame)]
pub(crate) struct TagList<'a> {
    #[frame(count_prefix = Varint)]
    pub(crate) tags: Vec<Tag<'a>>,
}

#[derive(Debug, Frame)]
pub(crate) struct Tag<'a> {
    #[frame(varint)]
    pub(crate) key: u32,
    #[frame(prefix = Varint)]
    pub(crate) value: &'a [u8],
}

#[derive(Debug, Frame)]
pub(crate) struct Ws<'a> {
    #[frame(bits = 1)]
    pub(crate) fin: bool,
    #[frame(bits = 3)]
    pub(crate) rsv: u8,
    #[frame(bits = 4)]
    pub(crate) op: u8,
    #[frame(bits = 1)]
    pub(crate) mask: bool,
    #[frame(bits = 7)]
    pub(crate) n7: u8,
    #[frame(if = n7 == 126)]
    pub(crate) n16: Option<u16>,
    #[frame(if = n7 == 127)]
    pub(crate) n64: Option<u64>,
    #[frame(if = mask)]
    pub(crate) key: Option<u32>,
    #[frame(size = ws_len(n7, n16, n64))]
    pub(crate) body: &'a [u8],
}

pub(crate) fn ws_len(n7: u8, n16: Option<u16>, n64: Option<u64>) -> u64 {
    n64.or(n16.map(u64::from)).unwrap_or(n7.into())
}

#[derive(Debug, Frame)]
pub(crate) struct ThriftFramed<'a> {
    #[frame(len(of = rest))]
    pub(crate) n: Auto<u32>,
    #[frame(check = ver >> 16 == 0x8001)]
    pub(crate) ver: u32,
    #[frame(prefix = u32)]
    pub(crate) name: &'a str,
    #[frame(seq)]
    pub(crate) id: i32,
    #[frame(rest)]
    pub(crate) args: LinkSlice,
}

#[derive(Debug, Frame)]
pub(crate) struct TtHeader<'a> {
    #[frame(len(of = rest))]
    pub(crate) n: Auto<u32>,
    #[frame(magic = 0x1000u16)]
    pub(crate) m: (),
    pub(crate) flags: u16,
    #[frame(seq)]
    pub(crate) id: u32,
    #[frame(len(of = head, unit = 4))]
    pub(crate) hs: Auto<u16>,
    #[frame(align = 4)]
    pub(crate) head: TtInfo<'a>,
    #[frame(rest)]
    pub(crate) payload: LinkSlice,
}

#[derive(Debug, Frame)]
#[frame(part)]
pub(crate) struct TtInfo<'a> {
    pub(crate) proto: u8,
    #[frame(count_prefix = u8)]
    pub(crate) xf: Vec<u8>,
    #[frame(rest)]
    pub(crate) kv: Vec<Info<'a>>,
}

#[derive(Debug, Frame)]
pub(crate) struct Str16<'a>(#[frame(prefix = u16)] pub(crate) &'a str);

#[derive(Debug, Frame)]
#[frame(tag = u8)]
pub(crate) enum Info<'a> {
    #[frame(tag = 0)]
    Pad,
    #[frame(tag = 1)]
    Str(#[frame(count_prefix = u16)] Vec<(Str16<'a>, Str16<'a>)>),
    #[frame(tag = 0x10)]
    Int(#[frame(count_prefix = u16)] Vec<(u16, Str16<'a>)>),
    #[frame(tag = 0x11)]
    Acl(Str16<'a>),
}

#[derive(Debug, Frame, PartialEq)]
#[frame(tag = u8, recursive(depth = 32))]
pub(crate) enum Resp<'a> {
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

#[derive(Debug, Frame)]
pub(crate) struct HttpHead<'a> {
    #[frame(until = b"\r\n\r\n", inclusive, max = 65536, try_map = parse_head)]
    pub(crate) head: Head<'a>,
}

#[derive(Debug)]
#[allow(dead_code)] // Seen through `Debug`.
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(&'a str, &'a str)>,
}

pub(crate) fn parse_head(bytes: &[u8]) -> Result<Head<'_>, httparse::Error> {
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
