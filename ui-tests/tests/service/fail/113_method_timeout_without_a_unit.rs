#[netpoll::service]
trait Feed {
    #[timeout = 5]
    async fn get(&self) -> u8;
}

fn main() {}
