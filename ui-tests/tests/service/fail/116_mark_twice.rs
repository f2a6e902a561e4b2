#[netpoll::service]
trait Feed {
    #[idempotent]
    #[idempotent]
    async fn get(&self) -> u8;
}

fn main() {}
