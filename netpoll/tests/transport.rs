//! A transport between wire and handlers: both ends, frames of all sizes, what it refuses.

mod common;

use std::io::{Read, Write};

use common::{Echo, connect, frame, serve, wait_until};
use netpoll::{Dialer, Error, ErrorKind, Result, Transport, buf::LinkBuffer};

/// A toy record layer: a byte of length, then so many bytes, each xored with the record's number.
#[derive(Default)]
struct Records {
    opened: u8,
    sealed: u8,
}

impl Transport for Records {
    fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        _reply: &mut LinkBuffer,
    ) -> Result<()> {
        while let Ok(&[n]) = wire.peek(1).map(|b| <&[u8; 1]>::try_from(b).unwrap()) {
            if n == 0 {
                return Err(Error::new(ErrorKind::Malformed, "an empty record"));
            }
            if wire.len() < 1 + usize::from(n) {
                break;
            }
            self.opened = self.opened.wrapping_add(1);
            let record = wire.next(1 + usize::from(n))?;
            let bytes: Vec<u8> = record[1..].iter().map(|byte| byte ^ self.opened).collect();
            plain.write(&bytes)?;
        }
        Ok(())
    }

    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()> {
        while !plain.is_empty() {
            self.sealed = self.sealed.wrapping_add(1);
            let record = plain.read_bytes(plain.len().min(200))?;
            wire.write_byte(record.len() as u8)?;
            let bytes: Vec<u8> = record.iter().map(|byte| byte ^ self.sealed).collect();
            wire.write(&bytes)?;
        }
        Ok(())
    }
}

#[test]
fn handlers_and_readers_see_plain_bytes() {
    let (_runtime, server) = serve(Echo::default(), |b| b.transport(Records::default));
    let address = server.addresses()[0].to_string();
    let conn = Dialer::new().transport(Records::default).dial(&address).unwrap();
    let mut reader = conn.reader().unwrap();
    for n in [0, 1, 300, 70_000] {
        let payload: Vec<u8> = (0..n).map(|i| (i * 3) as u8).collect();
        conn.write(&frame(&payload)).unwrap();
        assert_eq!(reader.next(4).unwrap(), (n as u32).to_be_bytes());
        assert_eq!(reader.next(n as usize).unwrap(), payload);
    }
}

#[test]
fn the_wire_is_not_plain_and_a_wrong_record_ends_the_connection() {
    let echo = Echo::default();
    let log = echo.log.clone();
    let (_runtime, server) = serve(echo, |b| b.transport(Records::default));
    let mut client = connect(&server);
    // The record of a frame of one byte, and the record of its echo.
    client.write_all(&[5, 1, 1, 1, 1 ^ 1, b'x' ^ 1]).unwrap();
    let mut record = [0; 6];
    client.read_exact(&mut record).unwrap();
    assert_eq!(record, [5, 1, 1, 1, 1 ^ 1, b'x' ^ 1]);
    client.write_all(&[0]).unwrap();
    assert_eq!(client.read(&mut record).unwrap(), 0);
    wait_until(|| server.live() == 0);
    assert!(log.lock().contains(&"error Malformed".to_owned()), "{:?}", log.lock());
}
