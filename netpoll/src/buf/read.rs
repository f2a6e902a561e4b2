//! The reading side.

use bytes::Bytes;

use super::{Delimiter, LinkBuffer, LinkSlice, ReadError};
use crate::mem::{self, Slice};

type Result<T> = std::result::Result<T, ReadError>;

impl LinkBuffer {
    #[inline]
    fn require(&self, wanted: usize) -> Result<()> {
        if wanted <= self.len {
            return Ok(());
        }
        Err(ReadError::Short { wanted, available: self.len })
    }

    /// Consumes `n` bytes and lends them, contiguous. Bytes of one node are lent where they lie;
    /// bytes of several are copied together.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from(&b"abcd"[..])?;
    /// assert_eq!(b.next(3)?, b"abc");
    /// assert_eq!(b.next(2).unwrap_err().to_string(), "2 bytes wanted, 1 available");
    /// assert_eq!(b.len(), 1);
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Short`]; [`ReadError::Memory`] if a copy is needed and no block to be had.
    #[inline]
    pub fn next(&mut self, n: usize) -> Result<&[u8]> {
        let head = self.head_len();
        if n < head || (n == head && n == self.len) {
            self.len -= n;
            return Ok(self.head.as_mut().map_or(&[], |h| h.eat(n)));
        }
        self.next_across(n)
    }

    fn next_across(&mut self, n: usize) -> Result<&[u8]> {
        self.require(n)?;
        let bytes = if n == self.head_len() { self.pop() } else { Some(self.gather(n)?) };
        let more = self.more_mut();
        more.spent = bytes;
        Ok(more.spent.as_ref().map_or(&[], |s| s))
    }

    /// Consumes the first `n` bytes, which are there, into a block of their own.
    fn gather(&mut self, n: usize) -> Result<Slice> {
        let mut block = mem::alloc(n)?;
        self.copy_front(block.claim_uncleared(n));
        self.skip(n)?;
        Ok(block.into_slice())
    }

    /// Lends the first `n` bytes, contiguous, without consuming them. Bytes of several nodes are
    /// copied together once, and stay so.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from(&b"abcd"[..])?;
    /// assert_eq!(b.peek(2)?, b"ab");
    /// assert_eq!(b.len(), 4);
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    #[inline]
    pub fn peek(&mut self, n: usize) -> Result<&[u8]> {
        if n > self.head_len() {
            self.require(n)?;
            let joined = self.gather(n)?;
            self.push_front(joined);
        }
        Ok(self.head.as_ref().map_or(&[], |h| &h[..n]))
    }

    /// Consumes `n` bytes.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from(&b"headbody"[..])?;
    /// b.skip(4)?;
    /// assert_eq!(b.to_vec(), b"body");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Short`].
    #[inline]
    pub fn skip(&mut self, n: usize) -> Result<()> {
        if n < self.head_len() {
            self.len -= n;
            if let Some(head) = &mut self.head {
                head.advance(n);
            }
            return Ok(());
        }
        if n == self.len {
            self.len = 0;
            self.drained();
            return Ok(());
        }
        self.require(n)?;
        self.skip_nodes(n);
        Ok(())
    }

    fn skip_nodes(&mut self, n: usize) {
        let mut left = n;
        while left > 0 && left >= self.head_len() {
            left -= self.pop().map_or(left, |node| node.len());
        }
        if let Some(head) = &mut self.head {
            head.advance(left);
            self.len -= left;
        }
    }

    /// Consumes the bytes up to the first `delimiter` and the delimiter itself, and lends them.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from(&b"GET k\r\nrest"[..])?;
    /// assert_eq!(b.until(b' ')?, b"GET ");
    /// assert_eq!(b.until(b"\r\n")?, b"k\r\n");
    /// assert!(b.until(b"\r\n").is_err());
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError::NoDelimiter`] if it is not there; else as [`next`](Self::next).
    ///
    /// # Panics
    /// If the delimiter is empty.
    pub fn until(&mut self, delimiter: impl Delimiter) -> Result<&[u8]> {
        match self.find(&delimiter, 0) {
            Some(at) => self.next(at + delimiter.bytes().len()),
            None => Err(ReadError::NoDelimiter { searched: self.len }),
        }
    }

    /// Consumes one byte.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from(&b"*3"[..])?;
    /// assert_eq!((b.read_byte()?, b.read_byte()?), (b'*', b'3'));
    /// assert!(b.read_byte().is_err());
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Short`].
    #[inline]
    pub fn read_byte(&mut self) -> Result<u8> {
        let byte = self.head.as_ref().and_then(|h| h.first().copied());
        self.skip(1)?;
        byte.ok_or(ReadError::Short { wanted: 1, available: 0 })
    }

    /// Consumes `n` bytes as a string of its own.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from("grün".as_bytes())?;
    /// assert_eq!(b.read_string(5)?, "grün");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Short`]; [`ReadError::NotUtf8`], and then they are still there.
    pub fn read_string(&mut self, n: usize) -> Result<String> {
        self.require(n)?;
        let mut bytes = vec![0; n];
        self.copy_front(&mut bytes);
        let string = String::from_utf8(bytes)
            .map_err(|e| ReadError::NotUtf8 { valid: e.utf8_error().valid_up_to() })?;
        self.skip(n)?;
        Ok(string)
    }

    /// Consumes `n` bytes as [`Bytes`]: where they lie if that is one node, else one copy.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from(&b"payload"[..])?;
    /// let bytes = b.read_bytes(7)?;
    /// assert_eq!(&*bytes, b"payload");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Short`].
    pub fn read_bytes(&mut self, n: usize) -> Result<Bytes> {
        Ok(self.slice(n)?.into_bytes())
    }

    /// Consumes `n` bytes as a slice of their own, which may outlive this buffer and its
    /// connection. Never copies.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from(&b"headbody"[..])?;
    /// b.skip(4)?;
    /// let body = b.slice(4)?;
    /// drop(b);
    /// assert_eq!(body, b"body"[..]);
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Short`].
    #[inline]
    pub fn slice(&mut self, n: usize) -> Result<LinkSlice> {
        if n > 0
            && n < self.head_len()
            && let Some(head) = &mut self.head
        {
            self.len -= n;
            return Ok(head.split_to(n).into());
        }
        if n == self.len
            && n == self.head_len()
            && let Some(head) = self.head.take()
        {
            self.len = 0;
            self.drained();
            return Ok(head.into());
        }
        self.require(n)?;
        Ok(self.slice_nodes(n))
    }

    /// Consumes `n` bytes as a slice that is to be kept for long: bytes that would keep a block
    /// alive that is more than four times as large are copied, if there is memory.
    ///
    /// # Errors
    /// [`ReadError::Short`].
    pub(crate) fn slice_to_keep(&mut self, n: usize) -> Result<LinkSlice> {
        let slice = self.slice(n)?;
        if !slice.is_sparse() {
            return Ok(slice);
        }
        let Ok(mut block) = mem::alloc(n) else { return Ok(slice) };
        slice.copy_to(block.claim_uncleared(n));
        Ok(block.into_slice().into())
    }

    /// Returns the first `n` bytes, which are there.
    pub(super) fn slice_nodes(&mut self, n: usize) -> LinkSlice {
        let mut nodes = Vec::new();
        let mut left = n;
        while left > 0 && left >= self.head_len() {
            let Some(node) = self.pop() else { break };
            left -= node.len();
            if left == 0 && nodes.is_empty() {
                self.settle();
                return node.into();
            }
            nodes.push(node);
        }
        if left > 0
            && let Some(head) = &mut self.head
        {
            nodes.push(head.split_to(left));
            self.len -= left;
        }
        self.settle();
        LinkSlice::from_nodes(nodes, n)
    }

    /// Gives up what an empty buffer need not own.
    fn settle(&mut self) {
        if self.len == 0 {
            self.drained();
        }
    }

    /// Returns the first `n` bytes as a slice, which stay in the buffer as well. Never copies.
    ///
    /// # Errors
    /// [`ReadError::Short`].
    pub fn peek_slice(&self, n: usize) -> Result<LinkSlice> {
        self.peek_range(0, n)
    }

    /// Returns the `n` bytes from the `at`th on as a slice, which stay in the buffer as well. Never
    /// copies.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let b = LinkBuffer::try_from(&b"key=value"[..])?;
    /// assert_eq!(b.peek_range(4, 5)?, b"value"[..]);
    /// assert_eq!(b.len(), 9);
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Short`] if it has fewer than `at + n` bytes.
    pub fn peek_range(&self, at: usize, n: usize) -> Result<LinkSlice> {
        self.require(at.saturating_add(n))?;
        let mut parts = Vec::new();
        let (mut skip, mut left) = (at, n);
        for node in self.slices() {
            if left == 0 {
                break;
            }
            if skip >= node.len() {
                skip -= node.len();
                continue;
            }
            let part = node.slice(skip..node.len().min(skip + left));
            skip = 0;
            left -= part.len();
            if left == 0 && parts.is_empty() {
                return Ok(part.into());
            }
            parts.push(part);
        }
        Ok(LinkSlice::from_nodes(parts, n))
    }
}
