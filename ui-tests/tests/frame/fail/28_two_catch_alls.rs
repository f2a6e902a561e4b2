use netpoll::Frame;

#[derive(Frame)]
#[frame(tag = u8)]
enum F {
    #[frame(tag = _)]
    A(u8),
    #[frame(tag = _)]
    B(u8),
}

fn main() {}
