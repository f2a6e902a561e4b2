//! No such instruction can be had from stable Rust here.

/// Does nothing.
#[inline(always)] // there is nothing
pub(super) fn line(_at: usize) {}
