#[netpoll::service]
trait Calculator {}

fn main() {}
