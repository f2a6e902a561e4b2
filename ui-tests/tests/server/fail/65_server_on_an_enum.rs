#[netpoll::server]
enum Kv {}

fn main() {}
