use netpoll::Frame;

#[derive(Frame)]
struct F {
    #[frame(varint, be)]
    a: u32,
}

fn main() {}
