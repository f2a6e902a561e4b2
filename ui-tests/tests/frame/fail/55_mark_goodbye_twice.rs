use netpoll::Frame;

#[derive(Frame)]
#[frame(tag = u8)]
enum Reply {
    #[frame(tag = 1, goodbye)]
    Bye,
    #[frame(tag = 2, goodbye)]
    GoAway,
}

fn main() {}
