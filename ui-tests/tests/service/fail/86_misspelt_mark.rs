#[netpoll::service]
trait Calculator {
    #[rout = "v1.add"]
    async fn add(&self, a: i64) -> i64;
}

fn main() {}
