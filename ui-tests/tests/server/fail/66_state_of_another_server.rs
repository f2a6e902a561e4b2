use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

struct Other;

#[netpoll::server(on_request = call)]
struct Rpc;

#[netpoll::on_request]
fn call(server: netpoll::State<'_, Other>, request: Echo<'_>) {
    let _ = (server, request);
}

fn main() {
    let _ = Rpc.serve();
}
