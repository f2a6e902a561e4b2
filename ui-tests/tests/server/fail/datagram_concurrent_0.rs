#[netpoll::on_datagram(concurrent = 0)]
async fn handle(_bytes: &[u8]) {}

fn main() {}
