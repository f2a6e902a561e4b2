use std::rc::Rc;

#[netpoll::on_datagram]
async fn handle(bytes: &[u8]) {
    let shared = Rc::new(bytes.len());
    netpoll::sleep(std::time::Duration::ZERO).await;
    drop(shared);
}

fn main() {}
