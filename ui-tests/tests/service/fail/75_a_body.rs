#[netpoll::service]
trait Calculator {
    async fn add(&self, a: i64) -> i64 {
        a
    }
}

fn main() {}
