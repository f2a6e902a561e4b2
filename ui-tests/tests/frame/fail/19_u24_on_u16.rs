use netpoll::Frame;

#[derive(Frame)]
struct F {
    #[frame(u24)]
    a: u16,
}

fn main() {}
