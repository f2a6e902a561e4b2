#[netpoll::service]
trait Feed {
    #[stream]
    async fn items(&self) -> impl netpoll::Stream<Item = &str>;
}

fn main() {}
