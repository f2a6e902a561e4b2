use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

struct Session(#[allow(dead_code)] std::net::TcpStream);

struct Kv;

#[netpoll::server]
impl Kv {
    #[on_request]
    fn run(&self, session: &mut Session, request: Echo<'_>) {
        drop((session, request));
    }
}

fn main() {
    let _ = Kv.serve();
}
