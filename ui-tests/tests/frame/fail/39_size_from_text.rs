use netpoll::Frame;

#[derive(Frame)]
struct F<'a> {
    #[frame(until = b"\n")]
    line: &'a str,
    #[frame(size = line.len())]
    body: &'a [u8],
}

fn main() {}
