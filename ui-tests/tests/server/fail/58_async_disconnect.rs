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
    #[on_request]
    fn run(&self, request: Echo<'_>) {
        drop(request);
    }

    #[on_disconnect]
    async fn bye(&self) {}
}

fn main() {
    let _ = Kv.serve();
}
