use netpoll::Frame;

#[derive(Frame)]
struct Ask {
    id: u32,
}

struct Talk;

#[netpoll::server(on_request = call, codec = Talk)]
struct Rpc;

#[netpoll::on_request]
fn call(request: Ask) -> Ask {
    request
}

fn main() {
    let _ = Rpc.serve();
}
