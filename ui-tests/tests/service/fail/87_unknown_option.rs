#[netpoll::service(paylod = netpoll::service::Json)]
trait Calculator {
    async fn add(&self, a: i64) -> i64;
}

fn main() {}
