use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

struct Kv;

#[netpoll::server]
impl Kv {
    fn helper(&self) {}
}

fn main() {
    let _ = Kv.serve();
}
