#[netpoll::service]
trait Feed {
    #[oneway = true]
    fn log(&self, line: String);
}

fn main() {}
