#[netpoll::service]
trait Calculator {
    async fn add(&self, a: i64) -> impl Sized;
}

fn main() {}
