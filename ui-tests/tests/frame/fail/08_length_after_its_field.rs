use netpoll::Frame;
use netpoll::frame::Auto;

#[derive(Frame)]
struct F<'a> {
    #[frame(prefix = u8)]
    body: &'a [u8],
    #[frame(len(of = body))]
    n: Auto<u32>,
}

fn main() {}
