//! The orders of an integer's bytes.

use std::marker::PhantomData;

/// Most significant byte first: network order, the default.
#[derive(Clone, Copy, Debug)]
pub struct Be;

/// Least significant byte first.
#[derive(Clone, Copy, Debug)]
pub struct Le;

/// Three bytes, in the order `E`.
#[derive(Clone, Copy, Debug)]
pub struct U24<E = Be>(PhantomData<E>);
