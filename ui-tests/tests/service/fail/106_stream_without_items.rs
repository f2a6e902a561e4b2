#[netpoll::service]
trait Feed {
    #[stream]
    async fn items(&self);
}

fn main() {}
