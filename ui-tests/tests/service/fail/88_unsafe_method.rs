#[netpoll::service]
trait Calculator {
    unsafe fn add(&self, a: i64) -> i64;
}

fn main() {}
