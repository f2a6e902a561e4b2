//! The processor's instruction.
#![allow(unsafe_code)]

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Begins to fetch the line of address `at`.
#[inline(always)] // as what calls it
pub(super) fn line(at: usize) {
    // SAFETY: the instruction never faults, and changes nothing but what is cached.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(at)) };
}
