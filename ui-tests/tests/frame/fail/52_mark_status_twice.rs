use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply {
    #[frame(status(ok = 0))]
    a: u8,
    #[frame(status(ok = 0))]
    b: u8,
}

fn main() {}
