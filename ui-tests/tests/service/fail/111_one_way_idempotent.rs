#[netpoll::service]
trait Feed {
    #[oneway]
    #[idempotent]
    fn log(&self, line: String);
}

fn main() {}
