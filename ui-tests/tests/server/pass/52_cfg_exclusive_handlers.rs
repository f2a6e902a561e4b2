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
    #[cfg(unix)]
    #[on_request]
    fn run(&self, request: Echo<'_>) {
        drop(request);
    }

    #[cfg(not(unix))]
    #[on_request]
    fn run(&self, request: Echo<'_>) {
        drop(request);
    }

    #[cfg(not(unix))]
    #[on_connect]
    fn hello(&self) {}
}

fn main() {
    let _ = Kv.builder();
}
