use netpoll::Frame;

#[derive(Frame)]
enum F {
    A,
    B,
}

fn main() {}
