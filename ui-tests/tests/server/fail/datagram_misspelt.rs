struct Server;

#[netpoll::server]
impl Server {
    #[on_datagrm]
    fn one(&self, _bytes: &[u8]) {}
}

fn main() {}
