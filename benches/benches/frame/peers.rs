//! What other crates can express of the formats: deku and binrw the fixed headers with a length,
//! tokio-util's codec the length alone.

use std::{hint::black_box, io::Cursor};

use binrw::{BinRead, BinWrite};
use bytes::{BufMut, Bytes, BytesMut};
use deku::prelude::*;
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

use super::{Case, samples};

#[derive(DekuRead, DekuWrite)]
#[deku(endian = "big")]
struct DekuBench {
    #[deku(update = "self.body.len()")]
    n: u32,
    #[deku(count = "n")]
    body: Vec<u8>,
}

#[derive(DekuRead, DekuWrite)]
#[deku(endian = "big")]
struct DekuH2 {
    #[deku(bits = 24)]
    n: u32,
    kind: u8,
    flags: u8,
    #[deku(bits = 1)]
    reserved: u8,
    #[deku(bits = 31)]
    stream: u32,
    #[deku(count = "n")]
    payload: Vec<u8>,
}

#[derive(BinRead, BinWrite)]
#[brw(big)]
struct BinBench {
    n: u32,
    #[br(count = n)]
    body: Vec<u8>,
}

#[derive(BinRead, BinWrite)]
#[brw(big)]
struct BinH2 {
    n: [u8; 3],
    kind: u8,
    flags: u8,
    stream: u32,
    #[br(count = u32::from_be_bytes([0, n[0], n[1], n[2]]))]
    payload: Vec<u8>,
}

fn deku<T>(name: &str, wire: Vec<u8>, cases: &mut Vec<Case>)
where
    T: for<'a> DekuContainerRead<'a> + DekuContainerWrite + 'static,
{
    let (_, value) = T::from_bytes((&wire, 0)).expect("a sample");
    cases.push((
        format!("decode/{name}/deku"),
        Box::new(move || drop(black_box(T::from_bytes((black_box(&wire), 0)).expect("one")))),
    ));
    cases.push((
        format!("encode/{name}/deku"),
        Box::new(move || drop(black_box(black_box(&value).to_bytes().expect("one")))),
    ));
}

fn binrw<T>(name: &str, wire: Vec<u8>, cases: &mut Vec<Case>)
where
    T: for<'a> BinRead<Args<'a> = ()> + for<'a> BinWrite<Args<'a> = ()> + 'static,
    T: binrw::meta::ReadEndian + binrw::meta::WriteEndian,
{
    let value = T::read(&mut Cursor::new(&wire)).expect("a sample");
    cases.push((
        format!("decode/{name}/binrw"),
        Box::new(move || {
            drop(black_box(T::read(&mut Cursor::new(black_box(&wire))).expect("one")));
        }),
    ));
    let mut out = Vec::new();
    cases.push((
        format!("encode/{name}/binrw"),
        Box::new(move || {
            out.clear();
            black_box(&value).write(&mut Cursor::new(&mut out)).expect("one");
            black_box(&out);
        }),
    ));
}

fn codec(cases: &mut Vec<Case>) {
    let wire = samples::bench();
    let body = Bytes::copy_from_slice(&wire[4..]);
    let (mut codec, mut input) = (LengthDelimitedCodec::new(), BytesMut::with_capacity(4096));
    cases.push((
        "decode/bench/tokio-util".to_owned(),
        Box::new(move || {
            // What a read would have put there: part of every decoder's input, not of its work.
            input.reserve(wire.len());
            input.put_slice(black_box(&wire));
            drop(black_box(codec.decode(&mut input).expect("one")));
        }),
    ));
    let (mut codec, mut out) = (LengthDelimitedCodec::new(), BytesMut::with_capacity(4096));
    cases.push((
        "encode/bench/tokio-util".to_owned(),
        Box::new(move || {
            codec.encode(black_box(&body).clone(), &mut out).expect("one");
            black_box(&out);
            out.clear();
        }),
    ));
}

/// Adds what the others can express.
pub(crate) fn add(cases: &mut Vec<Case>) {
    deku::<DekuBench>("bench", samples::bench(), cases);
    deku::<DekuH2>("http2", samples::http2(), cases);
    binrw::<BinBench>("bench", samples::bench(), cases);
    binrw::<BinH2>("http2", samples::http2(), cases);
    codec(cases);
}
