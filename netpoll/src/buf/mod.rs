//! Buffers that are chains of counted slices: Netpoll's vocabulary, made safe by lifetimes and
//! reference counts in place of a `Release` that can dangle.
//!
//! [`LinkBuffer`] is read and written; [`LinkSlice`] is an immutable piece of one that may outlive
//! it and go anywhere. [`IoReader`] and [`IoWriter`] bring the vocabulary to any `std::io` stream,
//! and a `LinkBuffer` is itself a [`bytes::Buf`], a [`bytes::BufMut`], and a `std::io` reader and
//! writer.

mod adapt;
mod delimiter;
mod error;
mod io_reader;
mod io_writer;
mod link;
mod link_slice;
mod node;
mod nodes;
mod output;
mod read;
mod spare;
mod unflushed;
mod write;

pub use delimiter::Delimiter;
pub use error::ReadError;
pub use io_reader::IoReader;
pub use io_writer::IoWriter;
pub use link::LinkBuffer;
pub use link_slice::LinkSlice;
pub use nodes::Nodes;
pub(crate) use write::{COPY_BELOW, move_head};
