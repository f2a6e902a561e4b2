use netpoll::Frame;

#[derive(Frame)]
union F {
    a: u8,
    b: u8,
}

fn main() {}
