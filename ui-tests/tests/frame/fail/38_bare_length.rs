use netpoll::Frame;

#[derive(Frame)]
struct F<'a> {
    #[frame(len(of = rest))]
    n: u32,
    #[frame(rest)]
    body: &'a [u8],
}

fn main() {}
