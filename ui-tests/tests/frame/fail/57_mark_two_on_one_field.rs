use netpoll::Frame;

#[derive(Frame)]
struct Call {
    #[frame(seq, route)]
    id: u32,
}

fn main() {}
