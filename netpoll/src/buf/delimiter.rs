//! Searching for a delimiter, across nodes too.

use super::LinkBuffer;

/// A delimiter of [`LinkBuffer::until`]: one byte, or several in a row.
pub trait Delimiter {
    /// Returns the bytes to look for; at least one.
    fn bytes(&self) -> &[u8];
}

impl Delimiter for u8 {
    fn bytes(&self) -> &[u8] {
        std::slice::from_ref(self)
    }
}

impl Delimiter for [u8] {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl<const N: usize> Delimiter for [u8; N] {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Delimiter for str {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<D: Delimiter + ?Sized> Delimiter for &D {
    fn bytes(&self) -> &[u8] {
        (**self).bytes()
    }
}

impl LinkBuffer {
    /// Returns the offset of the first `delimiter` at `from` or later, counted from the first
    /// readable byte. A search that found nothing may go on at `len() - (delimiter's length - 1)`
    /// when more has arrived.
    ///
    /// ```
    /// use netpoll::buf::LinkBuffer;
    /// let b = LinkBuffer::try_from(&b"a\r\nb\r\n"[..])?;
    /// assert_eq!(b.find(b"\r\n", 0), Some(1));
    /// assert_eq!(b.find(b"\r\n", 2), Some(4));
    /// assert_eq!(b.find(b'x', 0), None);
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the delimiter is empty.
    pub fn find(&self, delimiter: impl Delimiter, from: usize) -> Option<usize> {
        let wanted = delimiter.bytes();
        assert!(!wanted.is_empty(), "an empty delimiter is everywhere");
        let mut start = 0;
        for i in 0..self.node_count() {
            let node = self.node(i);
            let skip = from.saturating_sub(start).min(node.len());
            let here = &node[skip..];
            if let Some(at) = memchr::memmem::find(here, wanted) {
                return Some(start + skip + at);
            }
            // It may begin in the last bytes of this node and go on in the next.
            let first = (here.len() + 1).saturating_sub(wanted.len());
            let mut begins = memchr::memchr_iter(wanted[0], &here[first..]);
            if let Some(at) = begins.find(|at| self.goes_on(i, &here[first + at..], wanted)) {
                return Some(start + skip + first + at);
            }
            start += node.len();
        }
        None
    }

    /// Returns whether `tail`, the end of node `i`, begins `wanted`, and the nodes behind go on
    /// with it.
    fn goes_on(&self, i: usize, tail: &[u8], wanted: &[u8]) -> bool {
        let Some(mut left) = wanted.strip_prefix(tail) else { return false };
        for next in (i + 1)..self.node_count() {
            let node = self.node(next);
            if left.len() <= node.len() {
                return node.starts_with(left);
            }
            match left.strip_prefix(node) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        left.is_empty()
    }
}
