use netpoll::Frame;

#[derive(Frame)]
#[frame(tag = u8)]
enum Message {
    #[frame(tag = 1)]
    Call(#[frame(route)] u32),
    #[frame(tag = 2)]
    Reply(#[frame(seq)] u32),
}

fn main() {}
