use netpoll::Frame;

#[derive(Frame, Default)]
#[frame(goodbye = is_goodbye)]
struct Reply {
    #[frame(goodbye)]
    bye: bool,
}

fn is_goodbye(reply: &Reply) -> bool {
    reply.bye
}

fn main() {}
