use netpoll::Frame;

#[derive(Frame)]
struct F<'a> {
    kind: u8,
    #[frame(rest)]
    body: &'a [u8],
}

fn main() {}
