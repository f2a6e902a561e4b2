#[netpoll::service]
trait Calculator {
    async fn add(&self, a: i64) -> i64;
    #[route = "add"]
    async fn plus(&self, a: i64) -> i64;
}

fn main() {}
