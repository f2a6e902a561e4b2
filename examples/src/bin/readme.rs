//! The server on README's first screen, to the letter.

use netpoll::{Frame, frame::Auto};

/// A length of four bytes, big-endian, then so many bytes.
#[derive(Frame)]
struct Message<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

/// Each message comes back.
#[netpoll::on_request]
fn echo<'a>(message: Message<'a>) -> Message<'a> {
    message
}

fn main() -> netpoll::Result<()> {
    let address = std::env::args().nth(1);
    netpoll::serve::<echo>(address.as_deref().unwrap_or("127.0.0.1:9000"))
}
