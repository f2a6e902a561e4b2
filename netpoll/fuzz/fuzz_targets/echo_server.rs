//! The server of targets that attack beneath the frames: it echoes.

use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
pub struct Message<'a> {
    #[frame(len(of = rest))]
    pub length: Auto<u32>,
    #[frame(rest)]
    pub body: &'a [u8],
}

#[netpoll::on_request]
pub fn echo<'a>(message: Message<'a>) -> Message<'a> {
    message
}
