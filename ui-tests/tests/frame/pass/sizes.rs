#![deny(warnings, missing_docs, unsafe_code)]
//! What says how long a field is.

use netpoll::Frame;
use netpoll::frame::{AsciiCrlf, Auto, U24, Varint};

/// Every extent.
#[derive(Frame)]
pub struct Sizes<'a> {
    #[frame(len(of = frame, bias = 4, max = 1 << 20))]
    total: Auto<u64>,
    #[frame(len(of = body, unit = 2))]
    n: Auto<u16>,
    #[frame(len(of = a..=b))]
    both: Auto<u8>,
    #[frame(len(of = late, as = Varint))]
    varint: Auto<u32>,
    size: u8,
    body: &'a [u8],
    #[frame(prefix = u8)]
    a: &'a [u8],
    #[frame(prefix = AsciiCrlf, none = -1, tail = b"\r\n")]
    b: Option<&'a [u8]>,
    #[frame(prefix = U24, max = 1000)]
    c: &'a str,
    #[frame(prefix = Varint)]
    d: String,
    #[frame(size = size)]
    e: &'a [u8],
    #[frame(size = u32::from(size) + 1)]
    f: &'a [u8],
    #[frame(size = checked(size))]
    g: &'a [u8],
    #[frame(until = b"\n", max = 80)]
    h: &'a str,
    #[frame(until = b"\0", inclusive)]
    i: &'a [u8],
    #[frame(size_with = of_all_before)]
    j: &'a [u8],
    late: &'a [u8],
    #[frame(if = size > 3)]
    k: Option<u16>,
    #[frame(if = k.is_some(), prefix = u8)]
    l: Option<&'a str>,
    #[frame(count = size)]
    m: Vec<u32>,
    #[frame(count_prefix = u16, le)]
    o: Vec<(u16, u8)>,
    #[frame(count_prefix = i16, none = -1)]
    p: Option<Vec<u8>>,
    #[frame(rest)]
    q: Vec<u16>,
}

fn checked(size: u8) -> Result<u8, String> {
    size.checked_sub(1).ok_or_else(|| "too short".to_owned())
}

fn of_all_before(bytes: &[u8]) -> usize {
    bytes.len() % 3
}

fn main() {}
