use netpoll::Frame;

#[derive(Frame)]
#[frame(goodbye)]
struct Reply {
    code: u8,
}

fn main() {}
