use netpoll::Frame;

#[derive(Frame)]
struct Call {
    #[frame(deadline(millis))]
    millis: u32,
}

fn main() {}
