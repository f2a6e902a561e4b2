use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply {
    #[frame(status(ok = 0, timeout = 2 + 2))]
    code: u8,
}

fn main() {}
