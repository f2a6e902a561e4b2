use netpoll::In;

#[netpoll::on_request(concurrent = 8)]
fn numbered(input: In<'_>) {
    drop(input);
}

#[netpoll::on_request(concurrent = 8, ordered)]
fn ordered(input: In<'_>) {
    drop(input);
}

fn main() {
    let _ = netpoll::serve::<ordered>("127.0.0.1:9000");
}
