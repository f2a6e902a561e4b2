use netpoll::Frame;

mod flag {
    use netpoll::frame::{Cursor, DecodeError, Decoder, Stop};

    pub fn skip(c: &mut Cursor<'_>) -> Result<(), Stop> {
        c.skip(1)
    }
    pub fn get(r: &mut Decoder<'_>) -> Result<bool, DecodeError> {
        r.take().map(|[byte]| byte != 0)
    }
    pub fn size(_: &bool) -> usize {
        1
    }
}

#[derive(Frame)]
struct F {
    #[frame(with = flag)]
    a: bool,
}

fn main() {}
