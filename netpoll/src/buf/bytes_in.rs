//! A buffer as the writers of `bytes` see it.
#![allow(unsafe_code)]

use bytes::{BufMut, buf::UninitSlice};

use super::LinkBuffer;

/// Writes to the end; [`flush`](LinkBuffer::flush) makes it readable. The trait has no errors:
/// where the memory limit refuses a block, this panics; [`LinkBuffer::write`] does not.
// SAFETY: `chunk_mut` lends the spare bytes of the tail, which exist and are initialised, and
// `advance_mut` commits bytes of the same tail, after checking that they exist.
unsafe impl BufMut for LinkBuffer {
    fn remaining_mut(&self) -> usize {
        usize::MAX - self.len - self.unflushed
    }

    unsafe fn advance_mut(&mut self, n: usize) {
        let spare = self.spare_len();
        let tail = self.tail.as_mut().filter(|_| n <= spare);
        match tail {
            Some(tail) => tail.commit(n),
            None => assert_eq!(n, 0, "advance_mut past the end of the chunk"),
        }
        self.unflushed += n;
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        if self.spare_len() == 0
            && let Err(e) = self.grow(1)
        {
            panic!("chunk_mut: {e}");
        }
        UninitSlice::new(self.tail.as_mut().map_or(&mut [], |t| t.spare_mut()))
    }

    fn put_slice(&mut self, bytes: &[u8]) {
        self.write(bytes).unwrap_or_else(|e| panic!("put_slice: {e}"));
    }
}
