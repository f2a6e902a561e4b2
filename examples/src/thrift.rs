//! Thrift's binary protocol, as far as a calculator needs it: messages of flat structs.
//!
//! A message travels as the payload of a TTHeader frame ([`rpc`](crate::rpc)), with a length of four bytes
//! before it where its client sends one (`TTHeaderFramed` in Kitex).

use netpoll::{
    Frame, Result,
    buf::LinkBuffer,
    frame::{self, Arena},
};

/// A call, or the answer to one.
#[derive(Debug, Frame, PartialEq)]
#[frame(datagram)]
pub struct Message<'a> {
    /// The version, 0x8001, and the kind.
    #[frame(check = kind >> 16 == 0x8001)]
    kind: u32,
    /// The method.
    #[frame(prefix = u32)]
    pub method: &'a str,
    /// The number that the client gave the call.
    pub id: i32,
    /// The fields of the arguments or of the result, up to [`Field::Stop`].
    #[frame(rest)]
    pub fields: Vec<Field<'a>>,
}

/// A field of a struct.
#[derive(Clone, Debug, Frame, PartialEq)]
#[frame(tag = u8)]
pub enum Field<'a> {
    /// The struct's end.
    #[frame(tag = 0)]
    Stop,
    /// An integer of 32 bits.
    #[frame(tag = 8)]
    I32 {
        /// The field's number.
        id: i16,
        /// The value.
        value: i32,
    },
    /// An integer of 64 bits.
    #[frame(tag = 10)]
    I64 {
        /// The field's number.
        id: i16,
        /// The value.
        value: i64,
    },
    /// Text, or bytes.
    #[frame(tag = 11)]
    Text {
        /// The field's number.
        id: i16,
        /// The value.
        #[frame(prefix = u32)]
        value: &'a str,
    },
}

/// What a method's answer can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// The method's result, as the field of that name.
    Success(Field<'a>),
    /// What the server could not do: the kind, from Thrift's list, and the reason.
    Exception(i32, &'a str),
}

/// The number of an exception: no such method.
pub const UNKNOWN_METHOD: i32 = 1;
/// The number of an exception: the server failed.
pub const INTERNAL_ERROR: i32 = 6;
/// The number of an exception: the arguments are not the method's.
pub const PROTOCOL_ERROR: i32 = 7;

const VERSION: u32 = 0x8001_0000;
const CALL: u32 = 1;
const REPLY: u32 = 2;
const EXCEPTION: u32 = 3;

impl Message<'_> {
    /// Whether it is a call.
    pub fn is_call(&self) -> bool {
        self.kind == VERSION | CALL
    }

    /// The argument of that number, if it is an integer of 64 bits.
    pub fn i64(&self, number: i16) -> Option<i64> {
        self.fields.iter().find_map(|field| match field {
            Field::I64 { id, value } if *id == number => Some(*value),
            _ => None,
        })
    }
}

/// Gives the message that `payload` holds to `serve`, and the answer's payload, in the same framing.
///
/// # Errors
/// The payload is no call.
pub fn answer(
    payload: &[u8],
    serve: impl FnOnce(&Message<'_>) -> Outcome<'static>,
) -> Result<Vec<u8>> {
    let framed = payload.first() != Some(&0x80);
    let wire = if framed { payload.get(4..).unwrap_or_default() } else { payload };
    let arena = Arena::new();
    let call = frame::decode::<Message<'_>>(wire, wire.len(), &arena)?;
    let outcome = match call.is_call() {
        true => serve(&call),
        false => Outcome::Exception(PROTOCOL_ERROR, "not a call"),
    };
    let (kind, fields) = match outcome {
        Outcome::Success(field) => (REPLY, vec![field, Field::Stop]),
        Outcome::Exception(number, why) => {
            let why = Field::Text { id: 1, value: why };
            (EXCEPTION, vec![why, Field::I32 { id: 2, value: number }, Field::Stop])
        }
    };
    let message = Message { kind: VERSION | kind, method: call.method, id: call.id, fields };
    let mut out = LinkBuffer::new();
    frame::encode(&message, &mut out)?;
    out.flush();
    let bytes = out.next(out.len())?;
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    Ok([if framed { &length[..] } else { &[] }, bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_answered_in_its_framing() {
        let call = b"\x80\x01\0\x01\0\0\0\x03add\0\0\0\x07\x0a\0\x01\0\0\0\0\0\0\0\x02\0";
        let reply = b"\x80\x01\0\x02\0\0\0\x03add\0\0\0\x07\x0a\0\0\0\0\0\0\0\0\0\x03\0";
        let framed = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
        let serve = |call: &Message<'_>| {
            Outcome::Success(Field::I64 { id: 0, value: call.i64(1).unwrap() + 1 })
        };
        assert_eq!(answer(call, serve).unwrap(), reply);
        assert_eq!(answer(&framed(call), serve).unwrap(), framed(reply));
        assert!(answer(b"\x80\x02\0\x01", serve).is_err());
        assert!(answer(b"", serve).is_err());
    }
}
