use netpoll::Frame;

#[derive(Frame)]
#[frame(tag = u8)]
enum F {
    #[frame(tag = 256)]
    A,
}

fn main() {}
