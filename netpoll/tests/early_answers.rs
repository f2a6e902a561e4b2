//! A codec that answers before a frame is whole.
#![cfg(not(loom))]

mod common;

use std::{
    io::{Read, Write},
    time::Duration,
};

use common::{connect, serve};
use netpoll::{
    Call, Coded, Connection, Dispatch, Flow, Result, Service,
    frame::{
        Codec, DecodeError, Decoder, EncodeError, Encoder, FrameErrorKind, Progress, ScanError,
        Window,
    },
};

/// A letter, a digit, and that many bytes. After `E` the client waits for `go on` before it sends them;
/// after `X` it is told off and the connection ends.
#[derive(Default)]
struct Expect;

#[derive(Default)]
struct Said(bool);

impl Codec for Expect {
    type Scan = Said;
    type In<'a> = &'a [u8];
    type Out<'a> = &'a [u8];
    const ANSWERS_EARLY: bool = true;

    fn scan(&mut self, _: &mut Said, w: &Window<'_>, _: usize) -> Result<Progress, ScanError> {
        let Some([_, digit]) = w.array(0) else { return Ok(Progress::Need(2)) };
        let size = 2 + usize::from(digit.wrapping_sub(b'0') % 10);
        Ok(if w.len() < size { Progress::Need(size) } else { Progress::Ready(size) })
    }

    fn early(
        &mut self,
        said: &mut Said,
        w: &Window<'_>,
        out: &mut Encoder<'_>,
    ) -> Result<(), EncodeError> {
        match w.array(0) {
            Some([b'E', _]) if !std::mem::replace(&mut said.0, true) => out.write(b"go on,"),
            Some([b'X', _]) => Err(out.fail(FrameErrorKind::Other("refused".to_owned()))),
            _ => Ok(()),
        }
    }

    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<&'a [u8], DecodeError> {
        r.bytes(r.left())
    }

    fn encode(&mut self, out: &&[u8], w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(out)?;
        w.write(b",")
    }
}

struct Echo<const ASYNC: bool>;

impl<const ASYNC: bool> Service for Echo<ASYNC> {
    type Session = ();
    type Request = Coded<'static, Expect>;
    const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(
        &'a self,
        mut call: Call<'a, ()>,
        request: Coded<'a, Expect>,
    ) -> Result<Flow> {
        if ASYNC {
            netpoll::sleep(Duration::from_millis(1)).await;
        }
        call.out.put_with(request.codec, &request.message)?;
        Ok(Flow::Continue)
    }
}

fn expect(client: &mut impl Read, bytes: &[u8]) {
    let mut seen = vec![0; bytes.len()];
    client.read_exact(&mut seen).unwrap();
    assert_eq!(seen, bytes, "{}", seen.escape_ascii());
}

fn talk<const ASYNC: bool>() {
    let (_runtime, server) = serve(Echo::<ASYNC>, |b| b);
    let mut client = connect(&server);
    for _ in 0..3 {
        client.write_all(b"E3").unwrap();
        expect(&mut client, b"go on,");
        // Once for each frame, whatever comes of it.
        client.write_all(b"a").unwrap();
        client.write_all(b"bc").unwrap();
        expect(&mut client, b"E3abc,");
        // What is whole needs no early answer, and those before come first.
        client.write_all(b"P1xE2yzE1").unwrap();
        expect(&mut client, b"P1x,E2yz,go on,");
        client.write_all(b"!").unwrap();
        expect(&mut client, b"E1!,");
    }
    client.write_all(b"P1xX5").unwrap();
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert_eq!(rest, b"P1x,", "an early answer that fails ends the connection");
}

#[test]
fn an_early_answer_is_sent_while_the_rest_of_the_frame_is_awaited() {
    talk::<false>();
    talk::<true>();
}
