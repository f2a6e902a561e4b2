use netpoll::Frame;
use netpoll::frame::Auto;

#[derive(Frame)]
struct F<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    head: &'a [u8],
    #[frame(rest)]
    body: &'a [u8],
}

fn main() {}
