#[netpoll::service]
trait Feed {
    #[concurrent = 0]
    async fn get(&self) -> u8;
}

fn main() {}
