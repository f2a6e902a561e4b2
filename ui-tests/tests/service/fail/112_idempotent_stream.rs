#[netpoll::service]
trait Feed {
    #[idempotent]
    #[stream]
    fn items(&self) -> impl netpoll::Stream<Item = u8>;
}

fn main() {}
