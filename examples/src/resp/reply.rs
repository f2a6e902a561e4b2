//! Replies of the protocol, versions 2 and 3, written straight into the output.

use bytes::Bytes;
use netpoll::{Result, buf::LinkBuffer};

use super::number::Digits;

/// Where replies go: a connection's output, which is a [`LinkBuffer`], or a vector.
///
/// It is written to while keys are locked, so it must not wait: it takes what it is given, or fails.
pub trait ReplySink {
    /// Appends `n` bytes, all of which the caller then overwrites.
    ///
    /// # Errors
    /// If the output takes no more. The reply is then incomplete and the connection of no more use.
    fn space(&mut self, n: usize) -> Result<&mut [u8]>;

    /// Appends `data`, by reference where the output can.
    ///
    /// # Errors
    /// As [`space`](Self::space).
    fn shared(&mut self, data: &Bytes) -> Result<()>;
}

impl ReplySink for Vec<u8> {
    fn space(&mut self, n: usize) -> Result<&mut [u8]> {
        let start = self.len();
        self.resize(start + n, 0);
        Ok(&mut self[start..])
    }

    fn shared(&mut self, data: &Bytes) -> Result<()> {
        self.extend_from_slice(data);
        Ok(())
    }
}

/// What is appended is not flushed.
impl ReplySink for LinkBuffer {
    fn space(&mut self, n: usize) -> Result<&mut [u8]> {
        self.malloc(n)
    }

    fn shared(&mut self, data: &Bytes) -> Result<()> {
        self.write_bytes(data.clone())
    }
}

/// The version of the protocol that a connection speaks, which its client chooses by `HELLO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    #[default]
    Two,
    /// It has types of its own for maps, sets, texts and what is not there.
    Three,
}

/// Writes one reply. A failure is always the output's.
pub(super) struct Reply<'a> {
    sink: &'a mut dyn ReplySink,
    version: Version,
}

impl<'a> Reply<'a> {
    pub(super) fn new(sink: &'a mut dyn ReplySink, version: Version) -> Self {
        Self { sink, version }
    }

    /// Changes the version, from the next part of the reply on.
    pub(super) fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// `+text`
    pub(super) fn simple(&mut self, text: &str) -> Result<()> {
        self.pieces(&[b"+", text.as_bytes(), END])
    }

    /// `+OK`
    pub(super) fn ok(&mut self) -> Result<()> {
        self.simple("OK")
    }

    /// `-line`; a line's end within would break the protocol, and becomes a space.
    pub(super) fn error(&mut self, line: &[u8]) -> Result<()> {
        let room = self.sink.space(1 + line.len() + END.len())?;
        let (head, tail) = room.split_at_mut(1 + line.len());
        head[0] = b'-';
        for (to, from) in head[1..].iter_mut().zip(line) {
            *to = if matches!(from, b'\r' | b'\n') { b' ' } else { *from };
        }
        tail.copy_from_slice(END);
        Ok(())
    }

    /// `:n`
    pub(super) fn int(&mut self, n: i64) -> Result<()> {
        self.header(b":", n)
    }

    /// `:n` of a count.
    pub(super) fn count(&mut self, n: usize) -> Result<()> {
        self.header(b":", signed(n))
    }

    /// `$length`, then the bytes.
    pub(super) fn bulk(&mut self, data: &[u8]) -> Result<()> {
        let mut digits = Digits::default();
        self.pieces(&[b"$", digits.of(signed(data.len())), END, data, END])
    }

    /// As [`bulk`](Self::bulk), by reference where copying would cost more.
    pub(super) fn bulk_shared(&mut self, data: &Bytes) -> Result<()> {
        if data.len() < SHARED {
            return self.bulk(data);
        }
        self.header(b"$", signed(data.len()))?;
        self.sink.shared(data)?;
        self.pieces(&[END])
    }

    /// A value that is not there.
    pub(super) fn null(&mut self) -> Result<()> {
        self.pieces(&[match self.version {
            Version::Two => b"$-1\r\n",
            Version::Three => NULL,
        }])
    }

    /// An array that is not there.
    pub(super) fn null_array(&mut self) -> Result<()> {
        self.pieces(&[match self.version {
            Version::Two => b"*-1\r\n",
            Version::Three => NULL,
        }])
    }

    /// The head of an array: `len` replies follow.
    pub(super) fn array(&mut self, len: usize) -> Result<()> {
        self.header(b"*", signed(len))
    }

    /// The head of a set: `len` replies follow.
    pub(super) fn set(&mut self, len: usize) -> Result<()> {
        match self.version {
            Version::Two => self.array(len),
            Version::Three => self.header(b"~", signed(len)),
        }
    }

    /// The head of a map: `len` keys follow, each with its value behind it.
    pub(super) fn map(&mut self, len: usize) -> Result<()> {
        match self.version {
            Version::Two => self.array(2 * len),
            Version::Three => self.header(b"%", signed(len)),
        }
    }

    /// A text that is meant for a person.
    pub(super) fn text(&mut self, text: &str) -> Result<()> {
        match self.version {
            Version::Two => self.bulk(text.as_bytes()),
            Version::Three => {
                let mut digits = Digits::default();
                let len = digits.of(signed(FORMAT.len() + text.len()));
                self.pieces(&[b"=", len, END, FORMAT, text.as_bytes(), END])
            }
        }
    }

    fn header(&mut self, kind: &[u8], n: i64) -> Result<()> {
        let mut digits = Digits::default();
        self.pieces(&[kind, digits.of(n), END])
    }

    fn pieces(&mut self, pieces: &[&[u8]]) -> Result<()> {
        let mut room = self.sink.space(pieces.iter().map(|p| p.len()).sum())?;
        for piece in pieces {
            let (now, later) = room.split_at_mut(piece.len());
            now.copy_from_slice(piece);
            room = later;
        }
        Ok(())
    }
}

/// A length in memory always fits.
fn signed(n: usize) -> i64 {
    n as i64
}

const END: &[u8] = b"\r\n";

/// What is not there, of whatever type, in version 3.
const NULL: &[u8] = b"_\r\n";

/// The format of a text in version 3: a plain one.
const FORMAT: &[u8] = b"txt:";

/// From this length on, a reference is cheaper than a copy.
const SHARED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_framed() {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Version::Two);
        reply.ok().unwrap();
        reply.error(b"ERR a\r\nb").unwrap();
        reply.int(-7).unwrap();
        reply.array(2).unwrap();
        reply.bulk(b"").unwrap();
        reply.bulk_shared(&Bytes::from_static(b"xyz")).unwrap();
        reply.null().unwrap();
        reply.null_array().unwrap();
        let wanted = "+OK\r\n-ERR a  b\r\n:-7\r\n*2\r\n$0\r\n\r\n$3\r\nxyz\r\n$-1\r\n*-1\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn version_3_has_types_of_its_own() {
        for (version, wanted) in [
            (Version::Two, "*2\r\n*1\r\n$-1\r\n*-1\r\n$2\r\nhi\r\n"),
            (Version::Three, "%1\r\n~1\r\n_\r\n_\r\n=6\r\ntxt:hi\r\n"),
        ] {
            let mut out = Vec::new();
            let mut reply = Reply::new(&mut out, version);
            reply.map(1).unwrap();
            reply.set(1).unwrap();
            reply.null().unwrap();
            reply.null_array().unwrap();
            reply.text("hi").unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }

    #[test]
    fn a_long_value_goes_by_reference() {
        let data = Bytes::from(vec![7; SHARED]);
        let mut out = LinkBuffer::new();
        Reply::new(&mut out, Version::Two).bulk_shared(&data).unwrap();
        out.flush();
        assert_eq!(out.next(7).unwrap(), b"$4096\r\n");
        assert_eq!(out.next(SHARED).unwrap().as_ptr(), data.as_ptr());
        assert_eq!(out.next(2).unwrap(), b"\r\n");
        assert!(out.is_empty());
    }
}
