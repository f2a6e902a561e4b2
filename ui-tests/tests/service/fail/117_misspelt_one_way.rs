#[netpoll::service]
trait Feed {
    #[onway]
    fn log(&self, line: String);
}

fn main() {}
