use netpoll::Frame;

#[derive(Frame)]
struct F<'a> {
    n: u32,
    #[frame(size = n.words())]
    body: &'a [u8],
}

fn main() {}
