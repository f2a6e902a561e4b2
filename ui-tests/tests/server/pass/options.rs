use netpoll as renamed;
use netpoll::{
    Frame, Result, Transport,
    buf::LinkBuffer,
    frame::{Codec, DecodeError, EncodeError, Progress, Decoder, ScanError, Window, Encoder},
    service::{Free, Reply},
};

#[derive(Frame)]
struct Ask {
    id: u32,
}

struct Plain;

impl Transport for Plain {
    fn open(&mut self, wire: &mut LinkBuffer, plain: &mut LinkBuffer, _: &mut LinkBuffer) -> Result<()> {
        let n = wire.len();
        Ok(plain.write(wire.next(n)?)?)
    }
    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()> {
        let n = plain.len();
        Ok(wire.write(plain.next(n)?)?)
    }
}

fn plain() -> Plain {
    Plain
}

const MOST: usize = 100;

struct All;

#[netpoll::server(
    listen = "[::1]:0",
    max_frame = 1 << 20,
    read_timeout = "250ms",
    frame_timeout = "2s",
    write_timeout = "5m",
    idle_timeout = "1h",
    max_connections = MOST,
    pollers = 2,
    max_workers = 2 * MOST,
    transport = plain,
    crate = renamed
)]
impl All {
    #[on_request(concurrent = MOST, ordered, timeout = "1s")]
    fn ask(&self, request: Ask) -> Ask {
        request
    }
}

#[derive(Default)]
struct Bytes;

struct Byte(u8);

impl Reply for Byte {}

impl Codec for Bytes {
    type Scan = ();
    type In<'a> = &'a [u8];
    type Out<'a> = Byte;
    fn scan(&mut self, (): &mut (), w: &Window<'_>, _: usize) -> std::result::Result<Progress, ScanError> {
        Ok(if w.is_empty() { Progress::Need(1) } else { Progress::Ready(1) })
    }
    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> std::result::Result<&'a [u8], DecodeError> {
        r.bytes(1)
    }
    fn encode(&mut self, byte: &Byte, w: &mut Encoder<'_>) -> std::result::Result<(), EncodeError> {
        w.write(&[byte.0])
    }
}

type Slice<'a> = &'a [u8];

#[netpoll::on_request(codec = Bytes)]
fn byte(byte: Slice<'_>) -> Byte {
    Byte(byte[0])
}

struct Coded;

#[netpoll::server(codec = Bytes)]
impl Coded {
    #[on_request]
    async fn byte(&self, byte: Slice<'_>) -> Option<Byte> {
        byte.first().copied().map(Byte)
    }
}

fn main() {
    let _ = (All.builder(), Coded.builder(), Free::<byte>::new());
}
