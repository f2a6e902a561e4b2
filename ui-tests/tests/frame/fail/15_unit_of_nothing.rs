use netpoll::Frame;
use netpoll::frame::Auto;

#[derive(Frame)]
struct F<'a> {
    #[frame(len(of = rest, unit = 0))]
    n: Auto<u16>,
    #[frame(rest)]
    body: &'a [u8],
}

fn main() {}
