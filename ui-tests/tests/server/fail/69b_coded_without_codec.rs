use netpoll::{
    Coded, Flow,
    frame::{Codec, DecodeError, Decoder, EncodeError, Encoder, Progress, ScanError, Window},
};

#[derive(Default)]
struct Talk;

impl Codec for Talk {
    type Scan = ();
    type In<'a> = &'a [u8];
    type Out<'a> = &'a [u8];

    fn scan(&mut self, (): &mut (), w: &Window<'_>, _: usize) -> Result<Progress, ScanError> {
        Ok(Progress::Ready(w.len()))
    }

    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<&'a [u8], DecodeError> {
        r.bytes(1)
    }

    fn encode(&mut self, out: &&[u8], w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(out)
    }
}

struct Plain;

#[netpoll::on_request]
fn talk(request: Coded<'_, Talk>) -> Flow<Plain> {
    drop(request);
    Flow::Reply(Plain)
}

fn main() {
    let _ = netpoll::serve::<talk>("127.0.0.1:9000");
}
