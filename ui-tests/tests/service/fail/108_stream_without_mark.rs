#[netpoll::service]
trait Feed {
    async fn items(&self) -> impl netpoll::Stream<Item = u8>;
}

fn main() {}
