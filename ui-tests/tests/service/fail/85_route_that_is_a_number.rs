#[netpoll::service]
trait Calculator {
    #[route = 7]
    async fn add(&self, a: i64) -> i64;
}

fn main() {}
