#[netpoll::service]
trait Calculator {
    async fn add(&mut self, a: i64) -> i64;
}

fn main() {}
