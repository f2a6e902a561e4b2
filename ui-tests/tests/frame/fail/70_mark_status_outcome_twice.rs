use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply {
    #[frame(status(ok = 0, timeout = 4, timeout = 5))]
    code: u8,
}

fn main() {}
