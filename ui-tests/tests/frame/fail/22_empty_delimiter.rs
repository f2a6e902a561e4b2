use netpoll::Frame;

#[derive(Frame)]
struct F<'a> {
    #[frame(until = b"")]
    a: &'a [u8],
}

fn main() {}
