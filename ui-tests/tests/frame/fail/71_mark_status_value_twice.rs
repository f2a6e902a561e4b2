use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply {
    #[frame(status(ok = 0, timeout = 4, panic = 4))]
    code: u8,
}

fn main() {}
