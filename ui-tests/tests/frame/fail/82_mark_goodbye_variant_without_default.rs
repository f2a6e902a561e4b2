use netpoll::Frame;

#[derive(Frame)]
#[frame(tag = u8)]
enum Reply {
    #[frame(tag = 1, goodbye)]
    Bye(Why),
    #[frame(tag = 2)]
    Text(u8),
}

#[derive(Frame)]
struct Why(u8);

fn main() {}
