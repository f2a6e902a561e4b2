#[netpoll::service]
trait Feed {
    #[oneway]
    #[stream]
    fn items(&self) -> impl netpoll::Stream<Item = u8>;
}

fn main() {}
