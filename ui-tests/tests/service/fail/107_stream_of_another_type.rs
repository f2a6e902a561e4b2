#[netpoll::service]
trait Feed {
    #[stream]
    async fn items(&self) -> Vec<u8>;
}

fn main() {}
