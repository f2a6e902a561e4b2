#[netpoll::service]
trait Calculator {
    async fn name(&self) -> &str;
}

fn main() {}
