use netpoll::Frame;

#[derive(Frame)]
struct Plain(u8);

fn routed<'a>(_: impl netpoll::frame::Routed<'a>) {}

fn main() {
    routed(Plain(1));
}
