use netpoll::Frame;

#[derive(Frame)]
struct Call {
    #[frame(payload)]
    body: Body,
}

#[derive(Frame)]
struct Body(u32);

fn main() {}
