struct Plain;

#[netpoll::on_request]
fn echo(request: Plain) {
    drop(request);
}

fn main() {
    let _ = netpoll::serve::<echo>("127.0.0.1:9000");
}
