//! A codec whose code panics where its first byte says, in a service of each form.

use std::{
    io::{Read, Write},
    marker::PhantomData,
    net::{Shutdown, TcpStream},
    time::Duration,
};

use netpoll::{
    Call, Coded, Connection, Dispatch, EventLoop, Flow, Result, Runtime, Service,
    frame::{Codec, DecodeError, Decoder, EncodeError, Encoder, Progress, ScanError, Window},
};

use super::{Async_, Form, Inline_, Sync_};
use crate::common::wait_until;

/// Frames of two bytes: where the codec panics, and any.
#[derive(Default)]
struct Fragile(Option<u8>);

const SCAN: u8 = b's';
const EARLY: u8 = b'w';
const AT_EOF: u8 = b'f';
const DECODE: u8 = b'd';
const ENCODE: u8 = b'e';
const DROP: u8 = b'x';

fn panics(has: Option<u8>, at: u8) {
    assert!(has != Some(at), "a codec panics as asked");
}

impl Codec for Fragile {
    type Scan = ();
    type In<'a> = u8;
    type Out<'a> = u8;
    const ANSWERS_EARLY: bool = true;

    fn scan(&mut self, (): &mut (), w: &Window<'_>, _: usize) -> Result<Progress, ScanError> {
        panics(w.array(0).map(u8::from_be_bytes), SCAN);
        Ok(if w.len() > 1 { Progress::Ready(2) } else { Progress::Need(2) })
    }

    fn at_eof(&mut self, (): &mut (), w: &Window<'_>) -> Result<Option<usize>, ScanError> {
        panics(w.array(0).map(u8::from_be_bytes), AT_EOF);
        Ok(None)
    }

    fn early(
        &mut self,
        (): &mut (),
        w: &Window<'_>,
        _: &mut Encoder<'_>,
    ) -> Result<(), EncodeError> {
        panics(w.array(0).map(u8::from_be_bytes), EARLY);
        Ok(())
    }

    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<u8, DecodeError> {
        let [at, _] = r.take()?;
        self.0 = Some(at);
        panics(self.0, DECODE);
        Ok(at)
    }

    fn encode(&mut self, out: &u8, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        panics(Some(*out), ENCODE);
        w.write(&[*out, 0])
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panics(self.0, DROP);
        }
    }
}

struct Coder<F>(PhantomData<F>);

impl<F: Form> Service for Coder<F> {
    type Session = ();
    type Request = Coded<'static, Fragile>;
    const DISPATCH: Dispatch = F::DISPATCH;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(
        &'a self,
        mut call: Call<'a, ()>,
        request: Coded<'a, Fragile>,
    ) -> Result<Flow> {
        call.out.put_with(request.codec, &request.message)?;
        Ok(Flow::Continue)
    }
}

/// The panics of a codec's methods.
pub(super) fn methods(runtime: &Runtime) {
    for at in [SCAN, EARLY, AT_EOF, DECODE, ENCODE] {
        each_form(runtime, at);
    }
}

/// Those of its destructor.
pub(super) fn destructor(runtime: &Runtime) {
    each_form(runtime, DROP);
}

fn each_form(runtime: &Runtime, at: u8) {
    form::<Sync_>(runtime, at);
    form::<Async_>(runtime, at);
    form::<Inline_>(runtime, at);
}

fn form<F: Form>(runtime: &Runtime, at: u8) {
    let builder = EventLoop::builder(Coder::<F>(PhantomData)).runtime(runtime).max_connections(2);
    let server = builder.listen("127.0.0.1:0").bind().unwrap();
    let handle = server.handle();
    let before = runtime.stats().panics;
    for round in 1..=4 {
        let mut peer = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let sent: &[u8] = if matches!(at, EARLY | AT_EOF) { &[at] } else { &[at, 0] };
        // It may be closed already.
        let _ = peer.write_all(sent);
        if at != EARLY {
            let _ = peer.shutdown(Shutdown::Write);
        }
        let _ = peer.read_to_end(&mut Vec::new());
        drop(peer);
        wait_until(|| handle.live() == 0 && runtime.stats().panics >= before + round);
    }
    handle.shutdown(Duration::from_secs(5));
}
