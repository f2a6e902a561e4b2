use netpoll::Frame;

#[derive(Frame)]
struct Reply {
    #[frame(goodbye)]
    bye: bool,
}

fn main() {}
