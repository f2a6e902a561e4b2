use netpoll::Frame;

#[derive(Frame)]
struct Call {
    #[frame(deadline(ms))]
    a: u32,
    #[frame(deadline(s))]
    b: u32,
}

fn main() {}
