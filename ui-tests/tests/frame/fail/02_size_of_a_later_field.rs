use netpoll::Frame;

#[derive(Frame)]
struct F<'a> {
    #[frame(size = n)]
    body: &'a [u8],
    n: u32,
}

fn main() {}
