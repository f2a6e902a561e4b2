use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply {
    #[frame(status(ok = 0, timeout = 256))]
    code: u8,
}

fn main() {}
