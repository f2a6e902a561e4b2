use netpoll::Frame;

#[derive(Frame)]
struct Reply {
    #[frame(last)]
    last: u8,
}

fn main() {}
