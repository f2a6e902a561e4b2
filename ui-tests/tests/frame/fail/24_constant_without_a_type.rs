use netpoll::Frame;

#[derive(Frame)]
struct F {
    #[frame(magic = 0x1000)]
    a: (),
}

fn main() {}
