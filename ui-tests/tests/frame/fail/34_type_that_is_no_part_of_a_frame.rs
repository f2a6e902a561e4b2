use netpoll::Frame;

struct Point(u8);

#[derive(Frame)]
struct F {
    kind: u8,
    at: Point,
}

fn main() {}
