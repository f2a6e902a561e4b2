#[netpoll::on_datagram(inline)]
async fn handle(_bytes: &[u8]) {}

fn main() {}
