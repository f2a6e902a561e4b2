use netpoll::Frame;

#[derive(Frame)]
struct F {
    #[frame(bits = 9)]
    a: u8,
    #[frame(bits = 7)]
    b: u8,
}

fn main() {}
