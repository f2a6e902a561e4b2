use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

#[netpoll::on_request]
fn echo(request: Echo) -> Echo {
    request
}

fn main() {
    let _ = netpoll::serve::<echo>("127.0.0.1:9000");
}
