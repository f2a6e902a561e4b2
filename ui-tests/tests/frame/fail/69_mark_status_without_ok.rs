use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply {
    #[frame(status(timeout = 4))]
    code: u8,
}

fn main() {}
