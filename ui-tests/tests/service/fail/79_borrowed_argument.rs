#[netpoll::service]
trait Calculator {
    async fn length(&self, text: &str) -> usize;
}

fn main() {}
