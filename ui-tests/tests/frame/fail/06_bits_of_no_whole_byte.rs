use netpoll::Frame;

#[derive(Frame)]
struct F {
    #[frame(bits = 1)]
    a: bool,
    #[frame(bits = 2)]
    b: u8,
    c: u8,
}

fn main() {}
