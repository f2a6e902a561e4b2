use netpoll::Frame;
use netpoll::frame::Auto;

#[derive(Frame)]
struct F<'a> {
    #[frame(len(of = rest))]
    n: Auto<i32>,
    #[frame(rest)]
    body: &'a [u8],
}

fn main() {}
