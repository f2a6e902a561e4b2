struct Server;

#[netpoll::server]
impl Server {
    #[on_datagram]
    fn one(&self, _bytes: &[u8]) {}
    #[on_datagram]
    fn two(&self, _bytes: &[u8]) {}
}

fn main() {}
