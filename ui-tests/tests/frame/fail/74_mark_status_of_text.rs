use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply<'a> {
    #[frame(status(ok = 0), prefix = u8)]
    code: &'a str,
}

fn main() {}
