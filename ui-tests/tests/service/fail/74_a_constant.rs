#[netpoll::service]
trait Calculator {
    const VERSION: u32;
    async fn add(&self, a: i64) -> i64;
}

fn main() {}
