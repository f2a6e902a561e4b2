use netpoll::Frame;

#[derive(Frame)]
struct Call {
    #[frame(payload)]
    body: u32,
}

fn main() {}
