use netpoll::Frame;

#[derive(Frame)]
#[frame(tag = u8)]
enum F {
    #[frame(tag = 1)]
    Leaf(u8),
    #[frame(tag = 2)]
    List(#[frame(count_prefix = u8)] Vec<F>),
}

fn main() {}
