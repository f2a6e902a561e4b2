#![deny(warnings, missing_docs, unsafe_code)]
//! Functions of the user's, checksums, other names of the crate.

use net::frame::{Adler32, Auto, Crc32, Crc32c, DecodeError, EncodeError, Decoder, Encoder};
use netpoll as net;

/// Every hatch.
#[derive(net::Frame)]
#[frame(crate = ::netpoll)]
pub struct Hatches<'a> {
    #[frame(crc(Crc32, over = a..))]
    sum: Auto<u32>,
    #[frame(as = u8, try_map = flag, unmap = number)]
    a: Flag,
    #[frame(prefix = u8, with = reversed)]
    b: Vec<u8>,
    #[frame(crc(Crc32c, over = a..=b), le)]
    c: Auto<u32>,
    #[frame(crc(Adler32, over = b..=b))]
    d: Auto<u32>,
    #[frame(until = b"\n", try_map = words)]
    e: Vec<&'a str>,
}

/// On or off.
#[derive(Clone, Copy)]
pub enum Flag {
    /// On.
    On,
    /// Off.
    Off,
}

fn flag(n: u8) -> Result<Flag, &'static str> {
    match n {
        0 => Ok(Flag::Off),
        1 => Ok(Flag::On),
        _ => Err("neither on nor off"),
    }
}

fn number(flag: &Flag) -> u8 {
    *flag as u8
}

fn words(line: &str) -> Result<Vec<&str>, std::convert::Infallible> {
    Ok(line.split(' ').collect())
}

mod reversed {
    use super::{DecodeError, EncodeError, Decoder, Encoder};

    pub fn get(r: &mut Decoder<'_>) -> Result<Vec<u8>, DecodeError> {
        let bytes = r.bytes(r.left())?;
        Ok(bytes.iter().rev().copied().collect())
    }
    pub fn size(bytes: &[u8]) -> usize {
        bytes.len()
    }
    pub fn put(bytes: &[u8], w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        bytes.iter().rev().try_for_each(|b| w.write(&[*b]))
    }
}

fn main() {}
