#[netpoll::service]
trait Feed {
    #[oneway]
    fn log(&self, line: String) -> u8;
}

fn main() {}
