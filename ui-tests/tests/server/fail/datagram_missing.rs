struct Server;

#[netpoll::server]
impl Server {
    #[on_datagram]
    fn handle(&self) {}
}

fn main() {}
