use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply {
    #[frame(status)]
    code: u8,
}

fn main() {}
