//! The formats, declared.

use netpoll::{
    Frame,
    frame::{AsciiCrlf, Auto, Varint},
};

#[derive(Frame)]
pub(crate) struct Bench<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

#[derive(Frame)]
pub(crate) struct H2<'a> {
    #[frame(u24, len(of = payload))]
    n: Auto<u32>,
    kind: u8,
    flags: u8,
    #[frame(bits = 1)]
    reserved: bool,
    #[frame(bits = 31)]
    stream: u32,
    payload: &'a [u8],
}

#[derive(Frame)]
pub(crate) struct Kafka<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    api: i16,
    version: i16,
    #[frame(seq)]
    correlation: i32,
    #[frame(prefix = i16, none = -1)]
    client: Option<&'a str>,
    #[frame(if = super::samples::flexible(api, version))]
    tags: Option<TagList<'a>>,
    #[frame(rest)]
    body: &'a [u8],
}

#[derive(Frame)]
pub(crate) struct TagList<'a> {
    #[frame(count_prefix = Varint)]
    tags: Vec<Tag<'a>>,
}

#[derive(Frame)]
pub(crate) struct Tag<'a> {
    #[frame(varint)]
    key: u32,
    #[frame(prefix = Varint)]
    value: &'a [u8],
}

#[derive(Frame)]
pub(crate) struct Ws<'a> {
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
    #[frame(size = super::samples::ws_len(n7, n16, n64))]
    body: &'a [u8],
}

#[derive(Frame)]
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
