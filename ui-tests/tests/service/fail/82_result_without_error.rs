#[netpoll::service]
trait Calculator {
    async fn add(&self, a: i64) -> netpoll::Result<i64>;
}

fn main() {}
