use netpoll::Frame;

#[derive(Frame)]
struct F {
    #[frame(bits = 4, le)]
    a: u8,
    #[frame(bits = 4)]
    b: u8,
}

fn main() {}
