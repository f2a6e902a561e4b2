use netpoll::Frame;

#[derive(Frame)]
struct F {
    a: usize,
}

fn main() {}
