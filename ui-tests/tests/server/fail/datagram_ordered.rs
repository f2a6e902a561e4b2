#[netpoll::on_datagram(concurrent = 8, ordered)]
async fn handle(_bytes: &[u8]) {}

fn main() {}
