//! WebSocket messages whose payload is masked: what a `with` module is for.

mod frame_support;

use std::borrow::Cow;

use frame_support::{check, decoded, nodes};
use netpoll::{
    Frame,
    buf::LinkBuffer,
    frame::{self, Arena, DecodeError, Decoder, EncodeError, Encoder},
};

#[derive(Debug, Frame)]
struct Message<'a> {
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
    #[frame(size = payload_len(mask, n7, n16, n64), with = masking)]
    payload: Payload<'a>,
}

/// The key, if there is one, and the data.
fn payload_len(mask: bool, n7: u8, n16: Option<u16>, n64: Option<u64>) -> u64 {
    let n = n64.or(n16.map(u64::from)).unwrap_or(n7.into());
    if mask { n.saturating_add(4) } else { n }
}

/// What was sent, whether it was masked or not.
#[derive(Debug)]
struct Payload<'a> {
    key: Option<[u8; 4]>,
    data: Cow<'a, [u8]>,
}

mod masking {
    use super::*;

    /// Each byte with that of `key` whose turn it is.
    fn masked<'b>(bytes: impl Iterator<Item = &'b u8>, key: [u8; 4]) -> Vec<u8> {
        bytes.zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
    }

    pub(super) fn get<'a>(r: &mut Decoder<'a>) -> Result<Payload<'a>, DecodeError> {
        let flags = r.since(0).flatten().nth(1);
        if flags.is_none_or(|flags| flags & 0x80 == 0) {
            return Ok(Payload { key: None, data: r.bytes(r.left())?.into() });
        }
        let key = r.take()?;
        // No copy but the one that unmasks.
        let data = masked(r.chunks(r.left())?.flatten(), key);
        Ok(Payload { key: Some(key), data: data.into() })
    }

    pub(super) fn size(payload: &Payload<'_>) -> usize {
        payload.key.map_or(0, |key| key.len()) + payload.data.len()
    }

    pub(super) fn put(payload: &Payload<'_>, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        match payload.key {
            None => w.write(&payload.data),
            Some(key) => {
                w.array(key)?;
                w.write(&masked(payload.data.iter(), key))
            }
        }
    }
}

fn text<'a>(key: Option<[u8; 4]>, n7: u8, data: &'a [u8]) -> Message<'a> {
    let payload = Payload { key, data: data.into() };
    let n16 = (n7 == 126).then_some(data.len() as u16);
    let n64 = (n7 == 127).then_some(data.len() as u64);
    Message { fin: true, rsv: 0, op: 1, mask: key.is_some(), n7, n16, n64, payload }
}

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// RFC 6455, section 5.7.
#[test]
fn hello_masked_and_not() {
    check::<Message<'_>>(b"\x81\x05Hello", text(None, 5, b"Hello"));
    let wire = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    check::<Message<'_>>(wire, text(Some(KEY), 5, b"Hello"));
    check::<Message<'_>>(b"\x81\0", text(None, 0, b""));
    check::<Message<'_>>(b"\x81\x80\x37\xfa\x21\x3d", text(Some(KEY), 0, b""));
}

#[test]
fn longer_messages_masked_and_not() {
    let data = [0; 300];
    let masked = KEY.repeat(75);
    for (n7, length) in [(126, &b"\x01\x2c"[..]), (127, b"\0\0\0\0\0\0\x01\x2c")] {
        let wire = [&[0x81, n7], length, &data].concat();
        check::<Message<'_>>(&wire, text(None, n7, &data));
        let wire = [&[0x81, 0x80 | n7], length, &KEY, &masked].concat();
        check::<Message<'_>>(&wire, text(Some(KEY), n7, &data));
    }
}

#[test]
fn what_is_not_masked_is_borrowed() {
    let input = LinkBuffer::try_from(&b"\x81\x05Hello"[..]).unwrap();
    let arena = Arena::new();
    let message = frame::decode::<Message<'_>>(&input, 7, &arena).unwrap();
    let Cow::Borrowed(data) = message.payload.data else { panic!("it was copied") };
    assert_eq!(data.as_ptr(), input.chunks().next().unwrap()[2..].as_ptr());
}

#[test]
fn a_length_that_is_not_the_payloads_is_an_error() {
    let broken = text(Some(KEY), 4, b"Hello");
    let e = frame::encode(&broken, &mut LinkBuffer::new()).unwrap_err();
    assert_eq!(e.field(), "payload");
    let e = decoded::<Message<'_>>(&nodes([&b"\x81\x85\x37\xfa"[..]]), 4).unwrap_err();
    assert_eq!((e.field(), e.at()), ("payload", 4));
}
