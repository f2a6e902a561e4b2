use netpoll::Connection;

#[netpoll::on_datagram]
fn handle(_conn: &Connection, _bytes: &[u8]) {}

fn main() {}
