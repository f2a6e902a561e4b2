use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

struct Kv;

#[netpoll::server(max_fram = 1024)]
impl Kv {
    #[on_request]
    fn run(&self, request: Echo<'_>) {
        drop(request);
    }
}

fn main() {
    let _ = Kv.serve();
}
