use netpoll::Frame;

#[derive(Frame)]
struct F<'a> {
    #[frame(until = "\r\n")]
    a: &'a [u8],
}

fn main() {}
