//! Numbers that follow from the rest of a frame: [`Auto`].

use std::{fmt, hash::Hash};

/// A number that follows from what else the frame says: a length, a checksum.
///
/// Decoding stores what the wire said; encoding ignores it, and writes what is right. So two are
/// always equal, and a value under construction leaves it at the default.
///
/// ```
/// use netpoll::frame::Auto;
/// let (given, decoded) = (Auto::<u32>::default(), Auto::new(5u32));
/// assert_eq!(decoded.get(), 5);
/// assert!(given == decoded);
/// ```
#[derive(Clone, Copy, Default)]
pub struct Auto<T>(T);

impl<T: Copy> Auto<T> {
    /// Creates the number that is decoded from `value`.
    #[inline]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the decoded number.
    #[inline]
    pub const fn get(&self) -> T {
        self.0
    }
}

impl<T> PartialEq for Auto<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Auto<T> {}

impl<T> Hash for Auto<T> {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl<T: fmt::Debug> fmt::Debug for Auto<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
