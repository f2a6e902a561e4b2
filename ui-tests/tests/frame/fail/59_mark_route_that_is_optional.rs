use netpoll::Frame;

#[derive(Frame)]
struct Call {
    named: bool,
    #[frame(route, if = named)]
    method: Option<u32>,
}

fn main() {}
