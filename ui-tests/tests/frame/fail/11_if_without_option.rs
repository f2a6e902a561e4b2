use netpoll::Frame;

#[derive(Frame)]
struct F {
    flag: bool,
    #[frame(if = flag)]
    value: u32,
}

fn main() {}
