use netpoll::Frame;

#[derive(Frame)]
#[frame(tag = u8)]
enum F {
    #[frame(tag = 1)]
    A,
    #[frame(tag = 2)]
    B,
    #[frame(tag = 0x01)]
    C,
}

fn main() {}
