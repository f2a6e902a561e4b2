use netpoll::Frame;
use netpoll::frame::Auto;

#[derive(Frame)]
struct F<'a> {
    kind: u8,
    #[frame(len(of = rest, bias = -8))]
    n: Auto<u16>,
    #[frame(rest)]
    body: &'a [u8],
}

fn main() {}
