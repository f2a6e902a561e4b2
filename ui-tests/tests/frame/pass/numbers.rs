#![deny(warnings, missing_docs, unsafe_code)]
//! Numbers of all kinds.

use netpoll::Frame;

/// Every integer, float, group of bits and constant.
#[derive(Frame)]
#[frame(le, max = 4096)]
pub struct Numbers {
    #[frame(magic = 0x1000u16)]
    a: (),
    #[frame(magic = b"PRI")]
    b: (),
    #[frame(magic = b'x', pad = 2)]
    c: (),
    d: u8,
    #[frame(be)]
    e: i16,
    #[frame(u24)]
    f: u32,
    #[frame(u24, be)]
    g: i32,
    #[frame(varint)]
    h: u64,
    #[frame(zigzag)]
    i: i32,
    #[frame(ascii, until = b" ")]
    j: u16,
    #[frame(ascii, prefix = u8)]
    k: i64,
    #[frame(bits = 1)]
    l: bool,
    #[frame(bits = 3)]
    m: u8,
    #[frame(bits = 12)]
    n: u16,
    o: f32,
    p: f64,
    #[frame(check = q % 2 == 0 && d < 9)]
    q: u128,
    r: [u8; 16],
    s: [i16; 3],
    #[frame(seq)]
    t: u32,
    #[frame(align = 8)]
    u: (u8, u16, bool),
}

fn main() {}
