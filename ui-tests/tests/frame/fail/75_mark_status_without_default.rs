use netpoll::Frame;

#[derive(Frame)]
struct Reply {
    #[frame(status(ok = 0))]
    code: u8,
}

fn main() {}
