use netpoll::Frame;

#[derive(Frame)]
struct F<'a, 'b> {
    #[frame(prefix = u8)]
    a: &'a [u8],
    #[frame(prefix = u8)]
    b: &'b [u8],
}

fn main() {}
