use netpoll::{Frame, Out};

#[derive(Frame)]
struct Ask {
    id: u32,
}

#[netpoll::on_request]
fn echo(out: Out<'_>, more: Out<'_>, request: Ask) {
    drop((out, more, request.id));
}

fn main() {
    let _ = netpoll::serve::<echo>("127.0.0.1:9000");
}
