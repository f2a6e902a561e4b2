use netpoll::Frame;
use netpoll::frame::Auto;

#[derive(Frame)]
struct F<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
    kind: u8,
}

fn main() {}
