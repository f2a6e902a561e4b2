use netpoll::Frame;

#[derive(Frame, Default)]
struct Reply {
    #[frame(goodbye)]
    bye: u8,
}

fn main() {}
