use netpoll::Frame;

#[derive(Frame)]
struct Reading {
    sensor: u8,
    value: Option<u16>,
}

fn main() {}
