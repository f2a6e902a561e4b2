use netpoll::Frame;

#[derive(Frame)]
#[frame(args(wide: bool))]
struct Inner {
    #[frame(if = wide)]
    a: Option<u32>,
}

#[derive(Frame)]
struct F {
    kind: u8,
    inner: Inner,
}

fn main() {}
