use netpoll::Frame;

#[derive(Frame)]
struct F {
    #[frame(prefix = u8)]
    a: &[u8],
}

fn main() {}
