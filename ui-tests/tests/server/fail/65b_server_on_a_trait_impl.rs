struct Kv;

#[netpoll::server]
impl Clone for Kv {
    fn clone(&self) -> Self {
        Kv
    }
}

fn main() {}
