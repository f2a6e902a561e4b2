//! The functions and types that the expansion of `#[derive(Frame)]` names; no part of the API.
//!
//! A step that an expansion would otherwise spell out is a tested function here.

mod bits;
mod decode;
mod encode;
mod marks;
mod scan;
mod size;

pub use bits::{Bits, get_bits, load_bits, put_bits, store_bits};
pub use decode::{
    convert, get_amount, get_check, get_constant, get_count, get_prefix, get_sized, get_within,
    run, verify,
};
pub use encode::{
    checksum, fitting, put_amount, put_args, put_check, put_checked, put_number, put_prefix,
    put_repr, put_value, put_wire, same_size, size_of,
};
pub use marks::{AsRoute, entry_of, time_in, time_of};
pub use scan::{
    Flat, flat, owe, scan_amount, scan_check, scan_constant, scan_count, scan_digits, scan_prefix,
    skip_own, skip_tail,
};
pub use size::{Size, ends, gap, least, stands, sum};

pub use super::{
    Annotated, Ascii, Auto, Be, Carries, Checksum, Chunks, Cursor, Decode, DecodeError, Decoder,
    Encode, EncodeError, Encoder, Find, Fixed, Frame, FrameErrorKind, Goodbye, Judged, Le, Lenient,
    ListSkip, Payload, Prefix, Repr, Route, Routed, Scan, Sequenced, Status, Stop, Streamed, Timed,
    ToEnd, U24, Varint, Wire, WireArgs, Zigzag,
    ints::boolean,
    list::{get as get_list, put as put_list, size as size_list, skip as skip_list},
};
pub use crate::Result;
