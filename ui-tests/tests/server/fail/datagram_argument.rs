use netpoll::{Deadline, Peer};

struct Server;

#[netpoll::server]
impl Server {
    #[on_datagram]
    fn handle(&self, _peer: Peer, _deadline: Deadline, _bytes: &[u8]) {}
}

fn main() {}
