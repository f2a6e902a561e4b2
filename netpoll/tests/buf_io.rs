//! The vocabulary over `std::io`, and a buffer as `std::io` and `bytes` see it.

use std::io::{self, BufRead, IoSlice, Read, Write};

use bytes::{Buf, BufMut, Bytes};
use netpoll::{
    ErrorKind,
    buf::{IoReader, IoWriter, LinkBuffer},
};

/// Gives its bytes in pieces of at most `step`, with interruptions between.
struct Trickle {
    bytes: Vec<u8>,
    at: usize,
    step: usize,
    interrupt: bool,
}

impl Trickle {
    fn new(bytes: impl Into<Vec<u8>>, step: usize) -> Self {
        Self { bytes: bytes.into(), at: 0, step, interrupt: false }
    }
}

impl Read for Trickle {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let n = self.step.min(to.len()).min(self.bytes.len() - self.at);
        to[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[test]
fn a_reader_waits_for_what_is_asked() {
    for step in [1, 3, 7, 5000] {
        let mut r = IoReader::new(Trickle::new(&b"GET /index\r\nabcdef\xffgh"[..], step));
        assert_eq!(r.until(b' ').unwrap(), b"GET ");
        assert_eq!(r.until(b"\r\n").unwrap(), b"/index\r\n");
        assert_eq!(r.peek(2).unwrap(), b"ab");
        assert_eq!(r.read_byte().unwrap(), b'a');
        assert_eq!(r.read_string(2).unwrap(), "bc");
        assert_eq!(r.read_bytes(2).unwrap(), &b"de"[..]);
        assert_eq!(r.slice(1).unwrap(), b"f"[..]);
        assert_eq!(r.read_string(2).unwrap_err().kind(), ErrorKind::Malformed);
        r.skip(1).unwrap();
        let end = r.next(3).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::Eof);
        assert_eq!(end.to_string(), "3 bytes wanted, 2 before the end");
        assert_eq!(r.next(2).unwrap(), b"gh");
        assert_eq!(r.until(b'x').unwrap_err().kind(), ErrorKind::Eof);
    }
}

#[test]
fn a_reader_does_not_reserve_what_is_merely_asked_for() {
    let mut r = IoReader::new(Trickle::new(vec![1; 100], 10));
    assert_eq!(r.next(1 << 30).unwrap_err().kind(), ErrorKind::Eof);
    assert_eq!(r.buffer().len(), 100);
    assert!(r.buffer().retained() <= 128 << 10, "{}", r.buffer().retained());

    let mut r = IoReader::new(io::repeat(1));
    assert_eq!(r.next(5 << 20).unwrap().len(), 5 << 20);
}

#[test]
fn small_reads_share_a_block() {
    let mut r = IoReader::new(Trickle::new(vec![1; 3000], 10));
    r.fill(3000).unwrap();
    assert_eq!((r.buffer().node_count(), r.buffer().retained()), (1, 4096));
}

#[test]
fn a_delimiter_search_is_bounded() {
    let mut r = IoReader::new(io::repeat(b'x'));
    let error = r.until_within(b"\r\n", 10_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FrameTooLarge);
    assert!(error.to_string().contains("10000"));
    let mut r = IoReader::new(&b"abcd\r\n"[..]);
    assert_eq!(r.until_within(b"\r\n", 5).unwrap_err().kind(), ErrorKind::FrameTooLarge);
    assert_eq!(r.until_within(b"\r\n", 6).unwrap(), b"abcd\r\n");
}

#[test]
fn skipping_keeps_nothing() {
    let mut r = IoReader::new(io::repeat(0));
    r.skip(10 << 20).unwrap();
    assert!(r.buffer().retained() <= 128 << 10);
    let error = IoReader::new(&b"abc"[..]).skip(4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Eof);
}

/// Takes at most `step` bytes at a time, and fails once, at byte `fail`.
struct Narrow {
    taken: Vec<u8>,
    step: usize,
    fail: Option<usize>,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.fail.take_if(|at| self.taken.len() >= *at).is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let n = bytes.len().min(self.step);
        self.taken.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_writes_all_and_keeps_what_failed() {
    let payload: Vec<u8> = (0..50_000u32).map(|n| n as u8).collect();
    let mut w = IoWriter::new(Narrow { taken: Vec::new(), step: 77, fail: Some(20_000) });
    w.write_str("head").unwrap();
    w.write_bytes(Bytes::from(payload.clone())).unwrap();
    w.write(&payload).unwrap();
    let error = w.flush().unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(io::ErrorKind::BrokenPipe)));
    w.flush().unwrap();
    assert!(w.is_empty() && w.retained() == 0);
    let (narrow, _) = w.into_parts();
    assert_eq!(narrow.taken, [b"head", &payload[..], &payload[..]].concat());
}

#[test]
fn a_stream_that_takes_nothing_is_an_error() {
    let mut room = [0; 3];
    let mut w = IoWriter::new(&mut room[..]);
    w.write(b"four").unwrap();
    assert_eq!(w.flush().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(w.len(), 1);
}

#[test]
fn std_io_reads_and_writes_a_buffer() {
    let mut b = LinkBuffer::new();
    write!(b, "line {}\nline {}\n", 1, 2).unwrap();
    assert_eq!(b.len(), 0);
    Write::flush(&mut b).unwrap();
    let mut line = String::new();
    b.read_line(&mut line).unwrap();
    assert_eq!(line, "line 1\n");
    let mut rest = Vec::new();
    b.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"line 2\n");
    assert_eq!(b.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn bytes_reads_and_writes_a_buffer() {
    let mut b = LinkBuffer::new();
    b.put_u32(7);
    b.put_slice(&[1; 5000]);
    b.put_bytes(2, 5000);
    b.put(&b"end"[..]);
    assert_eq!(b.remaining(), 0);
    b.flush();
    assert_eq!((b.get_u32(), b.remaining()), (7, 10_003));
    let mut out = [IoSlice::new(&[]); 8];
    let n = b.chunks_vectored(&mut out);
    assert_eq!(out[..n].iter().map(|s| s.len()).sum::<usize>(), 10_003);
    assert_eq!(b.copy_to_bytes(5000), vec![1; 5000]);
    b.advance(5000);
    assert_eq!(Buf::chunk(&b), b"end");
    assert_eq!(Buf::take(b, 2).copy_to_bytes(2), &b"en"[..]);
}

#[test]
fn bytes_reads_a_slice() {
    let mut b = LinkBuffer::new();
    for part in ["one ", "two ", "three"] {
        b.append(LinkBuffer::try_from(part.as_bytes()).unwrap());
    }
    b.flush();
    let whole = b.slice(13).unwrap();
    let mut s = whole.clone();
    assert_eq!((s.remaining(), s.chunk()), (13, &b"one "[..]));
    s.advance(5);
    assert_eq!(s.chunk(), b"wo ");
    assert_eq!(s.copy_to_bytes(4), &b"wo t"[..]);
    assert_eq!(s.as_contiguous(), Some(&b"hree"[..]));
    assert_eq!(s.get_u8(), b'h');
    s.advance(3);
    assert!(!s.has_remaining());
    assert_eq!(whole, b"one two three"[..]);
    assert_eq!(format!("{whole:?}"), "b\"one two three\"");
}
