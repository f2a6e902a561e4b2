use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

#[netpoll::on_request]
async fn echo(request: Echo<'_>) {
    let shared = std::rc::Rc::new(request.body.len());
    netpoll::sleep(std::time::Duration::from_millis(1)).await;
    drop(shared);
}

fn main() {
    let _ = netpoll::serve::<echo>("127.0.0.1:9000");
}
