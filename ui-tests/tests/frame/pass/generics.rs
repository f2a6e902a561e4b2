#![deny(warnings, missing_docs, unsafe_code)]
//! Types with parameters, parts, payloads that are shared.

use netpoll::Frame;
use netpoll::buf::LinkSlice;
use netpoll::frame::{Auto, Chunks};

/// A frame of anything.
#[derive(Frame)]
pub struct Envelope<'a, T: Clone, const N: usize>
where
    T: PartialEq,
{
    #[frame(len(of = rest))]
    n: Auto<u32>,
    key: [u8; N],
    item: T,
    #[frame(count_prefix = u8)]
    items: Vec<T>,
    #[frame(rest)]
    part: Part<'a>,
}

/// What ends where the frame around it ends.
#[derive(Frame)]
#[frame(part)]
pub struct Part<'a> {
    #[frame(prefix = u8)]
    chunks: Chunks<'a>,
    #[frame(rest)]
    shared: LinkSlice,
}

/// A newtype.
#[derive(Frame)]
pub struct Id(u64);

/// Nothing.
#[derive(Frame)]
pub struct Empty {}

fn main() {
    fn is_frame<F: netpoll::Frame>() {}
    is_frame::<Envelope<'_, u16, 4>>();
    is_frame::<Id>();
    is_frame::<Empty>();
}
