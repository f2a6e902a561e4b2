use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

#[netpoll::on_request]
extern "C" fn echo(_request: Echo<'_>) {}

fn main() {
    let _ = netpoll::serve::<echo>("127.0.0.1:9000");
}
