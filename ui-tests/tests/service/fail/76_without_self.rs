#[netpoll::service]
trait Calculator {
    async fn add(a: i64) -> i64;
}

fn main() {}
