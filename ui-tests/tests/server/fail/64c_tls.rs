use netpoll::Frame;

#[derive(Frame)]
struct Ask {
    id: u32,
}

fn certificates() {}

struct Kv;

#[netpoll::server(tls = certificates)]
impl Kv {
    #[on_request]
    fn run(&self, request: Ask) -> Ask {
        request
    }
}

fn main() {
    certificates();
    let _ = Kv.serve();
}
