//! What other crates can express of the formats: deku and binrw the fixed headers with a length,
//! tokio-util's codec the length alone.
//!
//! All encoders do the same: they tell the length from the value, and append to what is gathered, which
//! is dropped past the same mark. binrw writes to a `LinkBuffer` as the derived frames do, and, for what
//! the buffer costs, to a vector that is used again and again, which no connection could send from while
//! the next answers gather. tokio-util has a `BytesMut`; deku only encodes to a vector of its own.

use std::{hint::black_box, io::Cursor, rc::Rc};

use binrw::{BinRead, BinWrite, binrw, io::NoSeek};
use bytes::{BufMut, Bytes, BytesMut};
use deku::prelude::*;
use netpoll::buf::LinkBuffer;
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

use super::{Case, MARK, samples};

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

#[binrw]
#[brw(big)]
struct BinBench {
    #[br(temp)]
    #[bw(try_calc = u32::try_from(body.len()))]
    n: u32,
    #[br(count = n)]
    body: Vec<u8>,
}

/// The length of `payload` in three bytes.
fn three(payload: &[u8]) -> Result<[u8; 3], &'static str> {
    match u32::try_from(payload.len()).map(u32::to_be_bytes) {
        Ok([0, n @ ..]) => Ok(n),
        _ => Err("too long"),
    }
}

#[binrw]
#[brw(big)]
struct BinH2 {
    #[br(temp)]
    #[bw(try_calc = three(payload))]
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
    let value = Rc::new(value);
    let (again, mut out) = (value.clone(), LinkBuffer::new());
    cases.push((
        format!("encode/{name}/binrw"),
        Box::new(move || {
            black_box(&*again).write(&mut NoSeek::new(&mut out)).expect("one");
            if out.malloc_len() > MARK {
                out.flush();
                black_box(&out);
                out.clear();
            }
        }),
    ));
    let mut out = Vec::new();
    cases.push((
        format!("encode/{name}/binrw-to-vec"),
        Box::new(move || {
            black_box(&*value).write(&mut NoSeek::new(&mut out)).expect("one");
            if out.len() > MARK {
                black_box(&out);
                out.clear();
            }
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
            if out.len() > MARK {
                black_box(&out);
                out.clear();
            }
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
