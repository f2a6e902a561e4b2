use netpoll::Frame;

#[derive(Frame)]
struct Ask {
    #[frame(seq)]
    id: u32,
}

#[derive(Frame)]
struct Reply {
    value: u32,
}

#[netpoll::on_request(concurrent = 8)]
fn echo(request: Ask) -> Reply {
    Reply { value: request.id }
}

fn main() {
    let _ = netpoll::serve::<echo>("127.0.0.1:9000");
}
