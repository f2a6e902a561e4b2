use netpoll::Frame;

#[derive(Frame)]
struct F {
    #[frame(seq)]
    a: u32,
    #[frame(seq)]
    b: u32,
}

fn main() {}
