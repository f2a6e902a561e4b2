use netpoll::Frame;

#[derive(Frame)]
struct F {
    #[frame(bites = 3)]
    a: u8,
}

fn main() {}
