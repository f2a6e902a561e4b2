//! The control frames on the Unix socket: a header of eight bytes, big-endian, and a body.
//!
//! ```text
//!   length u32 (header included) │ magic u16 0x7758 │ version u8 │ kind u8 │ body
//! ```
//! | kind | body | from |
//! | --- | --- | --- |
//! | 0 paths of files | u16 and the queue's path, u16 and the buffer's path | client |
//! | 1 wake-up | none | both |
//! | 2 end of a stream | the stream u32; where the queue is full | both |
//! | 3 fallback | the stream u32, its status u32, bytes | both |
//! | 4 version | none; the header's version is the highest that is spoken | both |
//! | 5 descriptors | as 0, by names | client |
//! | 6 the files are mapped | none | server |
//! | 7 descriptors may come | none | server |
//! | 8, 9 restart, and its acknowledgement | an epoch u64 | server, client |
//!
//! Version 2 is one frame of kind 0 and no answer. Version 3 exchanges versions first: 4, 4, then 5, 7,
//! the descriptors with one byte of zero, and 6.

use super::breach::Breach;

/// Bytes of a header.
pub(crate) const HEADER: usize = 8;

/// The highest version that is spoken.
pub(crate) const VERSION: u8 = 3;

const MAGIC: u16 = 0x7758;

/// The longest body that is taken: a fallback's bytes, of which a sound peer sends no more than a buffer has.
pub(crate) const BODY_MOST: usize = 64 << 20;

/// The kind of a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Paths = 0,
    Wake = 1,
    StreamEnd = 2,
    Fallback = 3,
    Version = 4,
    Descriptors = 5,
    Mapped = 6,
    Ready = 7,
    Restart = 8,
    Restarted = 9,
}

const KINDS: [Kind; 10] = [
    Kind::Paths,
    Kind::Wake,
    Kind::StreamEnd,
    Kind::Fallback,
    Kind::Version,
    Kind::Descriptors,
    Kind::Mapped,
    Kind::Ready,
    Kind::Restart,
    Kind::Restarted,
];

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) version: u8,
    /// Bytes that follow the header.
    pub(crate) body: usize,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`Breach::Layout`]: another magic number, a kind or a length that no frame has.
    pub(crate) fn read(bytes: &[u8; HEADER]) -> Result<Self, Breach> {
        let &[l0, l1, l2, l3, m0, m1, version, kind] = bytes;
        if u16::from_be_bytes([m0, m1]) != MAGIC || version == 0 {
            return Err(Breach::Layout("a control frame of another protocol"));
        }
        let kind =
            *KINDS.get(usize::from(kind)).ok_or(Breach::Layout("an unknown control frame"))?;
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let body = length.checked_sub(HEADER).filter(|&body| body <= BODY_MOST);
        let body = body.ok_or(Breach::Layout("a control frame of an impossible length"))?;
        let fits = match kind {
            Kind::Paths | Kind::Descriptors => body >= 4,
            Kind::Fallback => body >= 8,
            // Some peers leave these bodies' lengths out of the header's.
            Kind::StreamEnd | Kind::Restart | Kind::Restarted => true,
            Kind::Wake | Kind::Version | Kind::Mapped | Kind::Ready => body == 0,
        };
        if fits {
            Ok(Self { kind, version, body })
        } else {
            Err(Breach::Layout("a control frame's body"))
        }
    }

    /// Writes the header of a frame with a body of `body` bytes.
    pub(crate) fn write(kind: Kind, version: u8, body: usize) -> [u8; HEADER] {
        let length = u32::try_from(HEADER + body).expect("bodies are bounded");
        let [l0, l1, l2, l3] = length.to_be_bytes();
        let [m0, m1] = MAGIC.to_be_bytes();
        [l0, l1, l2, l3, m0, m1, version, kind as u8]
    }
}

/// Reads the queue's and the buffer's path out of the body of [`Kind::Paths`] or [`Kind::Descriptors`].
///
/// # Errors
/// [`Breach::Layout`]: a path is cut off.
pub(crate) fn read_paths(body: &[u8]) -> Result<(&[u8], &[u8]), Breach> {
    let cut = Breach::Layout("a path that is cut off");
    let path = |from: &[u8]| -> Option<(usize, usize)> {
        let (&[high, low], rest) = from.split_first_chunk::<2>()?;
        let n = usize::from(u16::from_be_bytes([high, low]));
        (n <= rest.len()).then_some((2, 2 + n))
    };
    let (start, end) = path(body).ok_or(cut)?;
    let (queue, rest) = (&body[start..end], &body[end..]);
    let (start, end) = path(rest).ok_or(cut)?;
    Ok((queue, &rest[start..end]))
}

/// Writes the body of [`Kind::Paths`] or [`Kind::Descriptors`].
pub(crate) fn write_paths(queue: &[u8], buffer: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + queue.len() + buffer.len());
    for path in [queue, buffer] {
        body.extend(u16::try_from(path.len()).expect("paths are short").to_be_bytes());
        body.extend(path);
    }
    body
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        for (kind, body) in [(Kind::Wake, 0), (Kind::Fallback, 8), (Kind::Paths, 20)] {
            let header = Header::read(&Header::write(kind, 3, body)).unwrap();
            assert_eq!(header, Header { kind, version: 3, body });
        }
        assert_eq!(Header::write(Kind::Wake, 2, 0), [0, 0, 0, 8, 0x77, 0x58, 2, 1]);
    }

    #[test]
    fn headers_of_no_frame_are_refused() {
        for bytes in [
            [0, 0, 0, 7, 0x77, 0x58, 3, 1],
            [0, 0, 0, 8, 0x77, 0x59, 3, 1],
            [0, 0, 0, 8, 0x77, 0x58, 0, 1],
            [0, 0, 0, 8, 0x77, 0x58, 3, 10],
            [0, 0, 0, 9, 0x77, 0x58, 3, 1],
            [0, 0, 0, 15, 0x77, 0x58, 3, 3],
            [255, 255, 255, 255, 0x77, 0x58, 3, 3],
        ] {
            assert!(Header::read(&bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn paths_that_are_cut_off_are_refused() {
        let body = write_paths(b"/q", b"/buffer");
        assert_eq!(read_paths(&body), Ok((&b"/q"[..], &b"/buffer"[..])));
        for n in 0..body.len() {
            assert!(read_paths(&body[..n]).is_err(), "{n}");
        }
    }
}
