use netpoll::Frame;
use netpoll::frame::Auto;

#[derive(Frame)]
struct F<'a> {
    #[frame(len(of = bdy))]
    n: Auto<u32>,
    #[frame(prefix = u8)]
    body: &'a [u8],
}

fn main() {}
