struct Plain;

struct Kv;

#[netpoll::server]
impl Kv {
    #[on_request]
    async fn run(&self, session: &mut u32, request: Plain) {
        drop((session, request));
    }
}

fn main() {
    let _ = Kv.serve();
}
