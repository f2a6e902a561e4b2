use netpoll::Frame;

#[derive(Frame)]
struct F<'a> {
    n: u8,
    #[frame(size = n, until = b"x")]
    a: &'a [u8],
}

fn main() {}
