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
    #[on_connect]
    fn hello(&self) -> String {
        String::new()
    }

    #[on_request]
    fn run(&self, session: &mut u32, request: Echo<'_>) {
        drop((session, request));
    }
}

fn main() {
    let _ = Kv.serve();
}
