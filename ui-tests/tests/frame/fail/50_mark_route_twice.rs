use netpoll::Frame;

#[derive(Frame)]
struct Call {
    #[frame(route)]
    a: u32,
    #[frame(route)]
    b: u32,
}

fn main() {}
