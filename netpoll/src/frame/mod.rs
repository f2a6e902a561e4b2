//! Frames: where one ends ([`Scanner`]), what it says ([`Decode`]), how it is written ([`Encode`]).
//!
//! ```text
//!   bytes arrive ──► Frame::Scan ──► Need(n): wait for n bytes, wake nobody before
//!                         │
//!                         └► Ready(n) ──► decode(.., n, arena) ──► F::At<'_>, which borrows
//!
//!   value ──► encode(&value, out)
//! ```
//!
//! By hand, a frame is three small impls. `Echo` is a length of four bytes, and that many bytes:
//!
//! ```
//! use netpoll::{buf::LinkBuffer, frame};
//! use netpoll::frame::{
//!     Arena, Cursor, Decode, DecodeError, Encode, EncodeError, Frame, Decoder, Scan, Stop, Wire,
//!     Encoder,
//! };
//!
//! struct Echo<'a>(&'a [u8]);
//!
//! impl<'a> Wire<'a> for Echo<'a> {
//!     const MIN: usize = 4;
//!     type Skip = ();
//!     fn skip(_: &mut (), c: &mut Cursor<'_>) -> Result<(), Stop> {
//!         let n = u32::from_be_bytes(c.take()?) as usize;
//!         c.finish(c.pos() + n, 0)
//!     }
//!     fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
//!         let n = u32::from_be_bytes(r.take()?) as usize;
//!         r.bytes(n).map(Echo)
//!     }
//!     fn size(&self) -> usize {
//!         4 + self.0.len()
//!     }
//!     fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
//!         w.write(&(self.0.len() as u32).to_be_bytes())?;
//!         w.write(self.0)
//!     }
//! }
//!
//! impl Frame for Echo<'_> {
//!     type Scan = Scan<Echo<'static>>;
//!     type At<'a> = Echo<'a>;
//! }
//!
//! impl<'a> Decode<'a> for Echo<'a> {
//!     fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
//!         Self::get(r)
//!     }
//! }
//!
//! impl Encode for Echo<'_> {
//!     fn encoded_len(&self) -> usize {
//!         self.size()
//!     }
//!     fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
//!         self.put(w)
//!     }
//! }
//!
//! let mut wire = LinkBuffer::new();
//! let n = frame::encode(&Echo(b"hello"), &mut wire)?;
//! let arena = Arena::new();
//! let echo = frame::decode::<Echo<'_>>(&wire, n, &arena)?;
//! assert_eq!(echo.0, b"hello");
//! # Ok::<(), netpoll::Error>(())
//! ```

mod arena;
mod ascii;
mod auto;
mod checksum;
mod chunks;
mod codec;
mod cursor;
mod decoder;
#[doc(hidden)]
pub mod derived;
mod digits;
mod encoder;
mod endian;
mod error;
pub(crate) mod guarded;
mod input;
mod ints;
mod list;
mod marks;
mod payload;
mod prefix;
mod scan;
mod traits;
mod varint;
mod window;
mod wire;

pub use arena::Arena;
pub use ascii::{Ascii, Lenient};
pub use auto::Auto;
pub use checksum::{Adler32, Checksum, Crc32, Crc32c};
pub use chunks::Chunks;
pub use codec::Codec;
pub use cursor::{Cursor, Find, Stop};
pub use decoder::{Decoder, Region};
pub use encoder::{Encoder, Patch};
pub use endian::{Be, Le, U24};
pub use error::{DecodeError, EncodeError, FrameError, FrameErrorKind, ScanError};
pub use input::{Checkpoint, Input};
pub use ints::{Fixed, Int, Repr};
pub use list::ListSkip;
pub use marks::{
    Annotated, Carries, Goodbye, Judged, MetadataEntry, Payload, Route, Routed, Status, Streamed,
    Timed,
};
pub use prefix::{AsciiCrlf, Prefix};
pub use scan::{Progress, Resume, Scan, Scanner, ToEnd};
#[cfg(feature = "udp")]
pub(crate) use traits::decode_whole;
pub use traits::{Decode, Encode, Frame, Sequenced, decode, encode, round_trip, write};
pub use varint::{Varint, Zigzag};
pub use window::Window;
pub use wire::{Wire, WireArgs};

/// The former name of [`Decoder`].
#[deprecated(note = "renamed to `Decoder`")]
pub type Reader<'a> = Decoder<'a>;

/// The former name of [`Encoder`].
#[deprecated(note = "renamed to `Encoder`")]
pub type Writer<'w> = Encoder<'w>;

/// The former name of [`FrameErrorKind`].
#[deprecated(note = "renamed to `FrameErrorKind`")]
pub type Fault = FrameErrorKind;
