#[netpoll::service]
trait Calculator {
    async fn add<T>(&self, a: T) -> i64;
}

fn main() {}
