//! The frame that every peer echoes: a 4-byte big-endian length, then the payload.
//!
//! ```text
//!   0        4            8                         4 + size
//!   | length | tag        | pattern ...             |
//!            \_________ payload: `size` bytes ______/
//! ```
//!
//! The payload begins with a 4-byte tag. Its first byte asks the handler to sleep when it is 1; the
//! other three are a sequence number, so that a tag without the request to sleep is itself a
//! big-endian sequence number below 2^24. The rest is a pattern that a shifted or mixed-up reply
//! does not match.

/// Bytes of the length field.
pub const LENGTH_BYTES: usize = 4;
/// Bytes of the length field and the tag.
pub const HEAD_BYTES: usize = 8;
/// The largest payload that the peers accept, in bytes.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// How long a handler sleeps when the request asks it to, in milliseconds.
pub const SLEEP_MILLIS: u64 = 20;
/// Sequence numbers are below this.
pub const SEQUENCES: u32 = 1 << 24;

/// Whether a request's payload asks the handler to sleep for [`SLEEP_MILLIS`].
///
/// ```
/// assert!(netpoll_benches::wire::asks_to_sleep(&[1, 0, 0, 7]));
/// assert!(!netpoll_benches::wire::asks_to_sleep(&[0, 0, 0, 7]));
/// ```
pub fn asks_to_sleep(payload: &[u8]) -> bool {
    payload.first() == Some(&1)
}

/// The length of the whole frame that `bytes` begins with, once its length field is there.
///
/// # Errors
/// A length beyond [`MAX_PAYLOAD`].
pub fn frame_len(bytes: &[u8]) -> std::io::Result<Option<usize>> {
    let Some(field) = bytes.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let payload = u32::from_be_bytes(*field) as usize;
    if payload > MAX_PAYLOAD {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("a frame of {payload} bytes is beyond the limit of {MAX_PAYLOAD}"),
        ));
    }
    Ok(Some(LENGTH_BYTES + payload))
}

/// What a request's tag says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// The handler is asked to sleep.
    pub slow: bool,
    /// The sequence number, below [`SEQUENCES`].
    pub sequence: u32,
}

impl Tag {
    /// The tag's four bytes.
    pub fn to_bytes(self) -> [u8; 4] {
        ((u32::from(self.slow) << 24) | self.sequence).to_be_bytes()
    }

    /// Reads the four bytes of a tag.
    pub fn from_bytes(bytes: [u8; 4]) -> Self {
        let word = u32::from_be_bytes(bytes);
        Self { slow: word >> 24 == 1, sequence: word & (SEQUENCES - 1) }
    }
}

/// A whole request, of which only the tag changes.
///
/// ```
/// use netpoll_benches::wire::{Request, Tag};
/// let mut request = Request::new(64).unwrap();
/// let frame = request.with_tag(Tag { slow: false, sequence: 5 });
/// assert_eq!(&frame[..8], &[0, 0, 0, 64, 0, 0, 0, 5]);
/// ```
#[derive(Debug)]
pub struct Request {
    frame: Box<[u8]>,
}

impl Request {
    /// A request whose payload has `size` bytes.
    ///
    /// # Errors
    /// A size below the tag's 4 bytes or beyond [`MAX_PAYLOAD`].
    pub fn new(size: usize) -> std::io::Result<Self> {
        if !(4..=MAX_PAYLOAD).contains(&size) {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!("a payload of {size} bytes: it must have 4 to {MAX_PAYLOAD}"),
            ));
        }
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut frame: Vec<u8> = (0..LENGTH_BYTES + size)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        frame[..LENGTH_BYTES].copy_from_slice(&(size as u32).to_be_bytes());
        Ok(Self { frame: frame.into() })
    }

    /// The frame with this tag.
    pub fn with_tag(&mut self, tag: Tag) -> &[u8] {
        self.frame[LENGTH_BYTES..HEAD_BYTES].copy_from_slice(&tag.to_bytes());
        &self.frame
    }

    /// The frame's bytes from `at`, which must lie behind the tag.
    pub fn pattern(&self, at: usize) -> &[u8] {
        debug_assert!(at >= HEAD_BYTES);
        &self.frame[at..]
    }

    /// Bytes of the whole frame.
    pub fn frame_len(&self) -> usize {
        self.frame.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_its_bytes() {
        for slow in [false, true] {
            for sequence in [0, 1, 0x00ab_cdef, SEQUENCES - 1] {
                let tag = Tag { slow, sequence };
                assert_eq!(Tag::from_bytes(tag.to_bytes()), tag);
            }
        }
    }

    #[test]
    fn sizes_that_cannot_be_sent_are_refused() {
        assert!(Request::new(3).is_err());
        assert!(Request::new(MAX_PAYLOAD + 1).is_err());
        assert_eq!(Request::new(4).unwrap().frame_len(), 8);
    }

    #[test]
    fn a_length_beyond_the_limit_is_an_error() {
        assert_eq!(frame_len(&[0, 0, 1]).unwrap(), None);
        assert_eq!(frame_len(&[0, 0, 1, 0]).unwrap(), Some(260));
        assert!(frame_len(&[0xff; 4]).is_err());
    }
}
