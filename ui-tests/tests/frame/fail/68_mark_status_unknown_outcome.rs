use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply {
    #[frame(status(ok = 0, timeuot = 4))]
    code: u8,
}

fn main() {}
