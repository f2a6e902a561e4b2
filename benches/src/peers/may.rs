//! may: coroutines with stacks, at default settings.
//!
//! A coroutine serves each connection in blocking style. Side by side, each request is a coroutine,
//! and the replies go through a mutex.

use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use ::may::net::TcpStream;
use ::may::sync::Mutex;

use super::{Listen, Setup, announce};
use crate::wire::{LENGTH_BYTES, SLEEP_MILLIS, asks_to_sleep, frame_len};

pub(super) fn serve(listen: Listen, setup: Setup) -> io::Result<()> {
    let listener = ::may::net::TcpListener::bind(listen.addr)?;
    announce(listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        // A connection's error ends that connection.
        ::may::go!(move || {
            let _ = match setup.side_by_side {
                true => side_by_side(stream),
                false => in_series(stream),
            };
        });
    }
}

/// Reads a whole frame into `frame`; false at the end.
fn receive(reader: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<bool> {
    frame.resize(LENGTH_BYTES, 0);
    match reader.read_exact(frame) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        result => result?,
    }
    let len = frame_len(frame)?.expect("a whole length field");
    frame.resize(len, 0);
    reader.read_exact(&mut frame[LENGTH_BYTES..])?;
    Ok(true)
}

/// The handler: the reply is a copy of the request.
fn handle(frame: &[u8]) -> Vec<u8> {
    if asks_to_sleep(&frame[LENGTH_BYTES..]) {
        ::may::coroutine::sleep(Duration::from_millis(SLEEP_MILLIS));
    }
    frame.to_vec()
}

fn in_series(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut frame = Vec::new();
    while receive(&mut reader, &mut frame)? {
        reader.get_mut().write_all(&handle(&frame))?;
    }
    Ok(())
}

fn side_by_side(stream: TcpStream) -> io::Result<()> {
    let writer = Arc::new(Mutex::new(stream.try_clone()?));
    let mut reader = BufReader::new(stream);
    let mut frame = Vec::new();
    while receive(&mut reader, &mut frame)? {
        let writer = writer.clone();
        let frame = std::mem::take(&mut frame);
        ::may::go!(move || {
            let reply = handle(&frame);
            // The connection may be gone by now; a coroutine that panicked wrote nothing by halves.
            if let Ok(mut writer) = writer.lock() {
                let _ = writer.write_all(&reply);
            }
        });
    }
    Ok(())
}
