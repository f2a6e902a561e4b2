use netpoll::Frame;

#[derive(Frame)]
#[frame(max = 0)]
struct F {
    a: u8,
}

fn main() {}
