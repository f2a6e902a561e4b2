use netpoll::Frame;

#[derive(Frame)]
struct Reply {
    #[frame(last)]
    a: bool,
    #[frame(last)]
    b: bool,
}

fn main() {}
