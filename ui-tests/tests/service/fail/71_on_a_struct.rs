#[netpoll::service]
struct Calculator;

fn main() {}
