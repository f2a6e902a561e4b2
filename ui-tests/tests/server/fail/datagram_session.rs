struct Count(u32);

struct Server;

#[netpoll::server]
impl Server {
    #[on_datagram]
    fn handle(&self, count: &mut Count, _bytes: &[u8]) {
        count.0 += 1;
    }
}

fn main() {}
