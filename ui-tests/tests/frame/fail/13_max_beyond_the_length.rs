use netpoll::Frame;
use netpoll::frame::Auto;

#[derive(Frame)]
struct F<'a> {
    #[frame(len(of = rest, max = 70000))]
    n: Auto<u16>,
    #[frame(rest)]
    body: &'a [u8],
}

fn main() {}
