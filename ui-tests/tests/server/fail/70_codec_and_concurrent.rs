use netpoll::Frame;

#[derive(Frame)]
struct Ask {
    #[frame(seq)]
    id: u32,
}

struct Talk;

#[netpoll::on_request(concurrent = 8, codec = Talk)]
fn echo(request: Ask) -> Ask {
    request
}

fn main() {
    let _ = netpoll::serve::<echo>("127.0.0.1:9000");
}
