use netpoll::Frame;

#[derive(Frame)]
struct Call {
    #[frame(route)]
    method: bool,
}

fn main() {}
