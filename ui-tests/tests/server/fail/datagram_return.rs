#[netpoll::on_datagram]
fn handle(_bytes: &[u8]) -> String {
    String::new()
}

fn main() {}
